// A client in Java: each line of standard input is a command, and brings one line on standard output.
//
//     java Client.java TRUSTED.pem CHAIN.pem KEY.pem PROTOCOL
//
//     new PORT    GET / on a new connection, with the session of an earlier one where there is any; then the connection closes
//     keep PORT   GET / by java.net.http.HttpClient, which keeps its connections
//     many PORT   GET / fifty times at once by java.net.http.HttpClient over HTTP/2, then a POST of 300000 bytes of unknown length
//
// The key is PKCS #8; "-" for the chain: no client certificate. An answer is `STATUS new|resumed BODY`, the body without its ends of
// lines, or `failed REASON`; that of `many` has the number of answers by their version and status, and the body of the last one.

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    private static final char[] PASSWORD = "of this process".toCharArray();

    private final SSLContext context;
    private final String protocol;
    private final HttpClient keeping;
    private final Set<Long> created = new HashSet<>(); // times at which sessions were created: a resumed one keeps its own

    private Client(SSLContext context, String protocol) {
        this.context = context;
        this.protocol = protocol;
        SSLParameters parameters = new SSLParameters();
        parameters.setProtocols(new String[] {protocol});
        keeping = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(context).sslParameters(parameters).build();
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client(contextOf(arguments[0], arguments[1], arguments[2]), arguments[3]);
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null;) {
            String[] words = line.split(" ");
            try {
                System.out.println(client.answer(words[0], words[1]));
            } catch (IOException error) {
                System.out.println("failed " + inOneLine(error.toString()));
            }
        }
        System.exit(0); // the threads of HttpClient would go on
    }

    private String answer(String how, String port) throws IOException {
        switch (how) {
            case "keep": return kept(port);
            case "many": return many(port);
            default: return anew(Integer.parseInt(port));
        }
    }

    private String anew(int port) throws IOException {
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", port)) {
            socket.setSoTimeout(60_000);
            socket.setEnabledProtocols(new String[] {protocol});
            socket.startHandshake();
            String how = created.add(socket.getSession().getCreationTime()) ? "new" : "resumed";
            socket.getOutputStream().write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".getBytes());
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
            int end = answer.indexOf("\r\n\r\n");
            if (end < 0) throw new EOFException("no response");
            return answer.split(" ")[1] + " " + how + " " + inOneLine(answer.substring(end));
        }
    }

    private String kept(String port) throws IOException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/")).build();
        try {
            HttpResponse<String> answer = keeping.send(request, HttpResponse.BodyHandlers.ofString());
            return answer.statusCode() + " new " + inOneLine(answer.body());
        } catch (InterruptedException error) {
            throw new IOException(error);
        }
    }

    private String many(String port) throws IOException {
        SSLParameters parameters = new SSLParameters();
        parameters.setProtocols(new String[] {protocol});
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).sslContext(context).sslParameters(parameters).build();
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/"));
        Map<String, Integer> seen = new TreeMap<>();
        List<CompletableFuture<HttpResponse<String>>> asked = new ArrayList<>();
        try {
            count(seen, client.send(request.build(), HttpResponse.BodyHandlers.ofString())); // so that the others share its connection
            for (int each = 0; each < 50; each++) asked.add(client.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString()));
            for (CompletableFuture<HttpResponse<String>> each : asked) count(seen, each.get());
            HttpRequest.BodyPublisher body = HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(new byte[300_000]));
            HttpResponse<String> posted = client.send(request.POST(body).build(), HttpResponse.BodyHandlers.ofString());
            count(seen, posted);
            return posted.statusCode() + " new " + seen + " " + inOneLine(posted.body());
        } catch (InterruptedException | ExecutionException error) {
            throw new IOException(error);
        }
    }

    private static void count(Map<String, Integer> seen, HttpResponse<String> answer) {
        seen.merge(answer.version() + " " + answer.statusCode(), 1, Integer::sum);
    }

    private static String inOneLine(String text) {
        return text.strip().replace("\r", "").replace("\n", "|");
    }

    private static SSLContext contextOf(String trusted, String chain, String key) throws Exception {
        KeyStore roots = emptyStore(), own = emptyStore();
        for (Certificate each : certificates(trusted)) roots.setCertificateEntry("root-" + roots.size(), each);
        if (!chain.equals("-")) own.setKeyEntry("own", privateKey(key), PASSWORD, certificates(chain).toArray(new Certificate[0]));
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, PASSWORD);
        SSLContext made = SSLContext.getInstance("TLS");
        made.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return made;
    }

    private static KeyStore emptyStore() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static List<Certificate> certificates(String file) throws Exception {
        try (InputStream input = Files.newInputStream(Path.of(file))) {
            return new ArrayList<>(CertificateFactory.getInstance("X.509").generateCertificates(input));
        }
    }

    private static PrivateKey privateKey(String file) throws Exception {
        String text = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----|\\s", "");
        PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text));
        for (String algorithm : List.of("EC", "RSA")) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(encoded);
            } catch (InvalidKeySpecException error) {
                continue;
            }
        }
        throw new KeyException(file + " holds no key of EC or RSA");
    }
}
