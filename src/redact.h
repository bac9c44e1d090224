/*-------------------------------------------------------------------------
 *
 * redact.h
 *	  Text from outside made fit to be stored and shown.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_REDACT_H
#define PARTNER_API_REDACT_H

#include "postgres.h"

#include "nodes/pg_list.h"

extern char *partner_api_redact(const char *text, const List *secrets);
extern char *partner_api_redact_utf8(const char *text, const List *secrets);
extern char *partner_api_message_as_utf8(const char *message);
extern char *partner_api_redact_whole(const char *text, const List *secrets);
extern char *partner_api_text_from_utf8(const char *text);
extern char *partner_api_text_to_utf8(const char *text);
extern char *partner_api_token_fingerprint(const char *token);
extern char *partner_api_sha256_hex(const char *text);

#endif							/* PARTNER_API_REDACT_H */
