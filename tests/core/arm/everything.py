"""A configuration with every kind of section, and with keys and values that ARM has no place for."""

EVERYTHING = """\
[gateway]
access_log = log/a.json
state_directory = /var/lib/agw
header_names = Reject
server_header = mine; really
enable_http2 = true
http2_max_requests = 500
policy_type = CustomV2
min_protocol_version = TLSv1_2
cipher_suites = TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256

[control]
port = 8901

[ssl_certificate site]
certificate_file = pki/site.pem
key_file = pki/site.key

[trusted_client_certificate Dev]
file = pki/ca.pem

[trusted_root_certificate backends]
file = pki/ca.pem

[ssl_profile strict]
trusted_client_certificates = dev
verify_client_revocation = CRL, OCSP
ocsp_responder_url = http://127.0.0.1:9001/
crl_files = pki/devices.crl, /etc/devices.crl
crl_scope = Chain
ocsp_scope = Chain
ocsp_timeout = 2.5
ssl_policy = AppGwSslPolicy20220101S

[ssl_profile mixed]
verify_client_auth_mode = Passthrough
trusted_client_certificates = Dev
verify_client_cert_issuer_dn = true

[http_listener a]
address = ::1
port = 8443
protocol = Https
host_names = a.example, *.a.example
ssl_certificate = SITE
ssl_profile = strict
require_server_name_indication = true

[http_listener b]
address = 127.0.0.1
port = 8443
protocol = Https
ssl_certificate = site
ssl_profile = mixed
accept_proxy_protocol = 10.0.0.0/8

[http_listener c]
port = 8080
protocol = Http

[http_listener spare]
port = 8081
protocol = Http

[listener tls]
address = 0.0.0.0
port = 8883
protocol = Tls
ssl_certificate = site
ssl_profile = strict
host_names = mqtt.example
alpn_protocols = mqtt

[backend_address_pool app]
backend_addresses = a.example:81, 10.0.0.1, [fd00::1]:82

[backend_address_pool app2]
backend_addresses = 10.0.0.2

[backend_address_pool spare]

[load_distribution_policy shared]
load_distribution_algorithm = IpHash

[load_distribution_target shared/one]
backend_address_pool = app
weight_per_server = 7

[load_distribution_target shared/two]
backend_address_pool = app2

[probe deep]
protocol = Http
interval = 2.5
match_body = ok; fine
match_status_codes = 200-299, 404
min_servers = 1

[probe tcp]
protocol = Tcp

[backend_http_settings app]
request_timeout = 0030
probe = deep
load_distribution_algorithm = LeastConnections
cookie_based_affinity = on
connection_draining_timeout = 7.5
path = /v2/

[backend_http_settings tls]
protocol = Https
port = 444
trusted_root_certificates = backends
validate_sni = false
client_ssl_certificate = site
dedicated_backend_connection = true

[backend_settings mqtt]
port = 1883
enable_l4_client_ip_preservation = true
proxy_protocol_tls = true
probe = tcp

[redirect_configuration up]
redirect_type = Permanent
target_listener = b

[rewrite_rule set/first, with text: 1]
condition.7 = var_host == a.example
condition.9 = http_req_X-A exists
condition.10 = http_req_X-B !~* ^a;b$
request_header.X-A = {var_host}; x
request_header.X-A.2 = {http_req_X-A}, y
request_header.X-Gone =
response_header.Set-Cookie = a=b; Secure
response_header_matcher.Set-Cookie = == old
url_path = /new
url_query_string =

[rewrite_rule set/second]
rule_sequence = 50
response_header.X-R = 1

[path_rule map/z]
paths = /z/*, /y
backend_address_pool = app
backend_http_settings = tls
client_certificate = Require
deny_unless.1 = var_client_certificate_subject_o == Devices

[path_rule map/a]
paths = /a
redirect_configuration = up
[url_path_map map]
default_load_distribution_policy = shared
default_backend_http_settings = app
default_rewrite_rule_set = set
default_deny_unless.3 = var_client_certificate_verification == SUCCESS

[custom_error gateway/502]
file = pages/502.html

[custom_error a/403]
file = pages/403.html
custom_error_page_url = https://pages.example/403.html

[request_routing_rule a]
priority = 10
http_listener = a
backend_address_pool = app
backend_http_settings = tls
deny_unless.5 = http_req_X-Key == hunter2

[request_routing_rule b]
priority = 20
http_listener = b
rule_type = PathBasedRouting
url_path_map = map

[request_routing_rule c]
priority = 30
http_listener = c
redirect_configuration = up

[routing_rule tls]
priority = 5
listener = tls
backend_address_pool = app
backend_settings = mqtt
"""
