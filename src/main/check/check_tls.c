/* SPDX-License-Identifier: Apache-2.0 */
/* check_tls.c -- certificate and key: are they there, do they belong together, how long do they last. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "http/http.h"
#include "main/check/check.h"
#include "main/place/handover.h"

#define DAY_S  86400
#define SOON_S (14 * DAY_S)

static void report_expiry(const struct config *config, int64_t expires_s, struct check_report *report)
{
    int64_t left_s = expires_s - time(NULL);

    if (left_s <= 0)
        check_say(report, CHECK_WARN, "renew it, then send SIGHUP to the server", "the certificate %.200s has expired",
                  config->ssl_cert_file);
    else if (left_s < SOON_S)
        check_say(report, CHECK_WARN, "renew it, then send SIGHUP to the server",
                  "the certificate %.200s expires in %lld days", config->ssl_cert_file, (long long)(left_s / DAY_S));
    else
        check_ok(report, "%.200s and its key, for %lld more days", config->ssl_cert_file, (long long)(left_s / DAY_S));
}

static bool is_set(const struct config *config, enum config_id file)
{
    return config->origins[file] != CONFIG_FROM_DEFAULT && *config->texts[file];
}

/* Without ENABLE_HTTPS files that are not there mean plain HTTP, even if somebody named them. */
static void report_off(const struct config *config, struct check_report *report)
{
    static const char mend[] = "set SSL_CERT_FILE and SSL_KEY_FILE to files that are there; ENABLE_HTTPS=true or false "
                               "says which is meant";
    bool unsaid = config->enable_https == CONFIG_UNSET;

    if (unsaid && *config->ssl_ca_certs)
        check_say(report, CHECK_FAIL, mend,
                  "SSL_CA_CERTS asks clients for certificates, but %.130s and %.130s are not both there",
                  config->ssl_cert_file, config->ssl_key_file);
    else if (unsaid && (is_set(config, CONFIG_SSL_CERT_FILE) || is_set(config, CONFIG_SSL_KEY_FILE)))
        check_say(report, CHECK_WARN, mend, "off: %.150s and %.150s are not both there; the port speaks plain HTTP",
                  config->ssl_cert_file, config->ssl_key_file);
    else
        check_ok(report, "off: the port speaks plain HTTP");
}

void check_tls(const struct check_context *context, struct check_report *report)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    struct handover handover = { .config = *context->config }; /* whose strings stay the context's */
    int64_t expires_s = 0;
    char error[256] = "";
    int r = handover_read_tls(&handover, &problems);

    if (r != 0)
        check_say(report, CHECK_FAIL, "set SSL_CERT_FILE and SSL_KEY_FILE to PEM files that root can read", "%.300s",
                  r > 0 ? problems.data : strerror(-r));
    else if (!handover.tls_certificate)
        report_off(context->config, report);
    else if (http_tls_check(handover.tls_certificate, handover.tls_key, &expires_s, error, sizeof(error)) < 0)
        check_say(report, CHECK_FAIL, "set SSL_CERT_FILE and SSL_KEY_FILE to a certificate chain and its key, in PEM",
                  "%.150s, %.150s: %.60s", context->config->ssl_cert_file, context->config->ssl_key_file, error);
    else if (handover.tls_client_ca && http_tls_check_authorities(handover.tls_client_ca, error, sizeof(error)) < 0)
        check_say(report, CHECK_FAIL, "set SSL_CA_CERTS to PEM certificates, or to nothing",
                  "SSL_CA_CERTS=%.200s: %.60s", context->config->ssl_ca_certs, error);
    else
        report_expiry(context->config, expires_s, report);
    report->what[strcspn(report->what, "\n")] = '\0';
    handover_wipe_tls(&handover);
}
