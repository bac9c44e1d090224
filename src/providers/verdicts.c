/*-------------------------------------------------------------------------
 *
 * verdicts.c
 *	  Setting verdicts, and asking what an answer's words say.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "providers/common.h"

/*
 * Set a verdict other than done.
 */
void
partner_api_decide(PartnerApiVerdict *verdict, PartnerApiVerdictKind kind,
				   PartnerApiReason reason, char *message)
{
	verdict->kind = kind;
	verdict->reason = reason;
	verdict->message = message;
}

/*
 * Set a verdict of done.
 */
void
partner_api_decide_done(PartnerApiVerdict *verdict)
{
	partner_api_decide(verdict, PARTNER_API_DONE, PARTNER_API_REASON_NONE,
					   NULL);
}

/*
 * Do words contain a part, in whatever case?
 */
bool
partner_api_words_contain(const char *words, const char *part)
{
	size_t		len = strlen(part);

	for (; *words != '\0'; words++)
	{
		if (pg_strncasecmp(words, part, len) == 0)
			return true;
	}
	return false;
}
