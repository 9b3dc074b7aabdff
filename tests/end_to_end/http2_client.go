// A client in Go: http2_client PORT TRUSTED.pem [CHAIN.pem KEY.pem]; prints what came as one JSON object.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
)

type told struct {
	Start   string
	Size    int
	Headers [][2]string
}

type answer struct {
	proto  string
	status int
	body   []byte
}

var url string
var client http.Client

func check(err error) {
	if err != nil {
		json.NewEncoder(os.Stdout).Encode(map[string]string{"failed": err.Error()})
		os.Exit(0)
	}
}

func ask(method, path string, body io.Reader) answer {
	request, err := http.NewRequest(method, url+path, body)
	check(err)
	return do(request)
}

func do(request *http.Request) answer {
	response, err := client.Do(request)
	check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err)
	return answer{response.Proto, response.StatusCode, body}
}

func (a answer) told() (read told) {
	check(json.Unmarshal(a.body, &read))
	return read
}

func main() {
	url = "https://localhost:" + os.Args[1]
	pem, err := os.ReadFile(os.Args[2])
	check(err)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(pem)
	if len(os.Args) > 3 {
		pair, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	client.Transport = &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}

	first := ask("GET", "/", nil) // so that all others share its connection
	starts := make([]string, 50)
	var group sync.WaitGroup
	for number := range starts {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			starts[number] = ask("GET", "/many", nil).told().Start
		}(number)
	}
	group.Wait()
	content := bytes.Repeat([]byte("b"), 300000)
	measured := ask("POST", "/", bytes.NewReader(content))
	chunked := ask("POST", "/", io.MultiReader(bytes.NewReader(content))) // of no length that net/http knows
	interim := []int{}
	hinted, err := http.NewRequest("GET", url+"/hints", nil)
	check(err)
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		interim = append(interim, code)
		return nil
	}}
	do(hinted.WithContext(httptrace.WithClientTrace(hinted.Context(), trace)))
	subjects := []string{}
	for _, each := range first.told().Headers {
		if strings.EqualFold(each[0], "X-Client-Certificate-Subject") {
			subjects = append(subjects, each[1])
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"proto":   first.proto,
		"many":    starts,
		"sizes":   []int{measured.told().Size, chunked.told().Size},
		"interim": interim,
		"large":   len(ask("GET", "/bytes/1000000", nil).body),
		"head":    ask("HEAD", "/head", nil).status,
		"subject": subjects,
	})
}
