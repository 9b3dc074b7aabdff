// A client in Node: node http2_client.js PORT TRUSTED.pem [CHAIN.pem KEY.pem]; prints what came as one JSON object.
"use strict";
const fs = require("node:fs");
const http2 = require("node:http2");

const [port, trusted, chain, key] = process.argv.slice(2);
const options = { ca: fs.readFileSync(trusted) };
if (chain) Object.assign(options, { cert: fs.readFileSync(chain), key: fs.readFileSync(key) });
const client = http2.connect(`https://localhost:${port}`, options);
client.on("error", (error) => { console.log(JSON.stringify({ failed: error.code })); process.exit(0); });

function ask(headers, body) {
  return new Promise((resolve, reject) => {
    const request = client.request(headers, { endStream: body === undefined });
    const answer = { interim: [], text: "" };
    request.setEncoding("latin1");
    request.on("headers", (fields) => answer.interim.push(fields[":status"]));
    request.on("response", (fields) => { answer.status = fields[":status"]; answer.fields = fields; });
    request.on("data", (data) => { answer.text += data; });
    request.on("end", () => resolve(answer));
    request.on("error", reject);
    if (body !== undefined) request.end(body);
  });
}

async function main() {
  const many = await Promise.all(Array.from({ length: 50 }, (_, number) => ask({ ":path": `/${number}` })));
  const body = Buffer.alloc(300000, "b");
  const chunked = await ask({ ":path": "/", ":method": "POST" }, body);
  const measured = await ask({ ":path": "/", ":method": "POST", "content-length": body.length }, body);
  const hints = await ask({ ":path": "/hints" });
  const large = await ask({ ":path": "/bytes/1000000" });
  console.log(JSON.stringify({
    many: many.map((each) => [each.status, JSON.parse(each.text).start]),
    sizes: [chunked, measured].map((each) => JSON.parse(each.text).size),
    interim: hints.interim,
    large: large.text.length,
    subject: JSON.parse(many[0].text).headers.filter(([name]) => name === "X-Client-Certificate-Subject"),
  }));
  client.close();
}

main().catch((error) => { console.log(JSON.stringify({ failed: String(error) })); process.exit(0); });
