/* Gives a load generator that presents no client certificate one: LD_PRELOAD with CLIENT_CERTIFICATE and CLIENT_KEY.

   Every context of OpenSSL that the program makes has the certificate, with its chain; a file that cannot be read ends the program. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
    SSL_CTX *(*make)(const SSL_METHOD *) = (SSL_CTX * (*)(const SSL_METHOD *)) dlsym(RTLD_NEXT, "SSL_CTX_new");
    const char *certificate = getenv("CLIENT_CERTIFICATE"), *key = getenv("CLIENT_KEY");
    SSL_CTX *context = make ? make(method) : NULL;
    if (!context || !certificate || !key) return context;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) == 1 && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1)
        return context;
    fprintf(stderr, "client_certificate: %s or %s cannot be read\n", certificate, key);
    exit(2);
}
