/*-------------------------------------------------------------------------
 *
 * zsystems_errors.c
 *	  The shapes in which zsystems says no.
 *
 * The provider has no single one.  Each call refuses here as it was seen to
 * refuse, or all of them in the one shape that the configuration names.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <stdlib.h>

#define DECLINED \
	"51 - {\"error\":{\"code\":\"51\",\"message\":\"Saldo insuficiente\"}}"

/* Refuse in the shape that is configured, or else in the one that was seen. */
void
sandbox_zsystems_refuse(SandboxRequest *request, unsigned status,
						SandboxRefusal seen, const char *text)
{
	SandboxRefusal shape = (SandboxRefusal) sandbox_config.zsystems_refusals;
	json_t	   *body = NULL;

	if (shape == SANDBOX_REFUSAL_SEEN)
		shape = seen;
	switch (shape)
	{
		case SANDBOX_REFUSAL_SEEN:
		case SANDBOX_REFUSAL_ERROR:
			body = json_pack("{s:b, s:s}", "success", 0, "error", text);
			break;
		case SANDBOX_REFUSAL_ERROR_OBJECT:
			body = json_pack("{s:b, s:{s:s}}", "success", 0,
							 "error", "message", text);
			break;
		case SANDBOX_REFUSAL_ERRORS:
			body = json_pack("{s:b, s:[s]}", "success", 0, "errors", text);
			break;
		case SANDBOX_REFUSAL_ERROS:
			body = json_pack("{s:b, s:{s:[s]}}", "success", 0,
							 "erros", "plano", text);
			break;
		case SANDBOX_REFUSAL_MESSAGE:
			body = json_pack("{s:b, s:s}", "success", 0, "message", text);
			break;
	}
	sandbox_reply_json(&request->reply, status, body);
}

/* Refuse what was asked, under the status that is configured. */
void
sandbox_zsystems_reject(SandboxRequest *request, SandboxRefusal seen,
						const char *text)
{
	sandbox_zsystems_refuse(request,
							(unsigned) sandbox_config.zsystems_refusal_status,
							seen, text);
}

/* A field that is missing or has a value that is not taken. */
void
sandbox_zsystems_misfit(SandboxRequest *request, SandboxRefusal seen,
						const char *field)
{
	char	   *text = sandbox_printf("O campo %s é inválido", field);

	sandbox_zsystems_reject(request, seen, text);
	free(text);
}

/* There is no such thing. */
void
sandbox_zsystems_unknown(SandboxRequest *request, const char *what)
{
	char	   *text = sandbox_printf("%s não encontrado", what);

	sandbox_zsystems_refuse(request, 404, SANDBOX_REFUSAL_ERROR, text);
	free(text);
}

/*
 * The acquirer does not accept the card: a refusal under 200, and if it is
 * not marked, also without "success".
 */
void
sandbox_zsystems_declined(SandboxRequest *request, bool marked)
{
	json_t	   *body = json_pack("{s:s}", "message", DECLINED);

	if (marked)
		json_object_set_new(body, "success", json_false());
	sandbox_reply_json(&request->reply, 200, body);
}
