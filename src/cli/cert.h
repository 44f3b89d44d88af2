/* cert.h - `holdfast cert --self-signed DIR`: a certificate to try TLS with. */
#ifndef CLI_CERT_H
#define CLI_CERT_H

/* Makes DIR/cert.pem and DIR/key.pem, and overwrites nothing; returns the exit code: 0 made, 1 not
 * made, 2 wrong use. */
int cert_command(int count, char *const *arguments);

#endif
