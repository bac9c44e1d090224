/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings of partner_api.
 *
 * Settings of the whole server can only be defined while the postmaster
 * preloads the library; elsewhere their variables keep the defaults, which
 * switch off what needs the preloaded library.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "settings.h"
#include "utils/guc.h"
#include "utils/varlena.h"

/* The hosts of the providers that this version knows. */
#define DEFAULT_ALLOWED_HOSTS \
	"api.z-api.io," \
	" api.green-api.com, *.api.green-api.com," \
	" api.greenapi.com, *.api.greenapi.com," \
	" api.zsystems.com.br," \
	" api.asaas.com, api-sandbox.asaas.com"

int			partner_api_after_promotion = PARTNER_API_AFTER_PROMOTION_CONTINUE;
char	   *partner_api_allowed_hosts = NULL;
int			partner_api_call_slots = 32;
int			partner_api_call_timeout = 60000;
char	   *partner_api_databases = NULL;
bool		partner_api_enabled = true;
int			partner_api_max_connections = 256;
bool		partner_api_paid_calls = true;
bool		partner_api_test_clock = false;

static const struct config_enum_entry after_promotion_choices[] = {
	{"continue", PARTNER_API_AFTER_PROMOTION_CONTINUE, false},
	{"confirm", PARTNER_API_AFTER_PROMOTION_CONFIRM, false},
	{NULL, 0, false}
};

/* A list setting must at least be a list. */
static bool
check_list(char **newval, bool quoted, const char *what)
{
	char	   *copy = pstrdup(*newval);
	List	   *items = NIL;
	bool		valid;

	if (quoted)
		valid = SplitIdentifierString(copy, ',', &items);
	else
		valid = SplitGUCList(copy, ',', &items);
	list_free(items);
	pfree(copy);
	if (!valid)
		GUC_check_errdetail("The value is not a comma-separated list of %s.",
							what);
	return valid;
}

/* Check hook of partner_api.allowed_hosts. */
static bool
check_allowed_hosts(char **newval, void **extra, GucSource source)
{
	if (strchr(*newval, '/') != NULL)
	{
		GUC_check_errdetail("An entry is a host or host:port, not a URL.");
		return false;
	}
	return check_list(newval, false, "hosts");
}

/* Check hook of partner_api.databases. */
static bool
check_databases(char **newval, void **extra, GucSource source)
{
	return check_list(newval, true, "database names");
}

/* Settings that the postmaster fixes at its start. */
static void
define_postmaster_settings(void)
{
	DefineCustomIntVariable("partner_api.call_slots",
							"Sets how many calls can wait for the workers at once.",
							NULL, &partner_api_call_slots,
							32, 1, 1024,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("partner_api.max_connections",
							"Sets how many connections to providers a worker may hold.",
							"At most a third of the descriptors that a process may open.", &partner_api_max_connections,
							256, 1, 10000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("partner_api.test_clock",
							 "Allows superusers to turn the clock of partner_api.",
							 "For tests only: trials, deadlines and bills follow the turned clock.",
							 &partner_api_test_clock,
							 false,
							 PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

/*
 * Define the settings, in alphabetical order within each group, and reserve
 * the prefix.
 */
void
partner_api_define_settings(void)
{
	DefineCustomEnumVariable("partner_api.after_promotion",
							 "Says whether the worker goes on by itself after a promotion or a recovery to a point.",
							 "With \"confirm\", nothing is sent until confirm_identity() is called.",
							 &partner_api_after_promotion,
							 PARTNER_API_AFTER_PROMOTION_CONTINUE,
							 after_promotion_choices,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomStringVariable("partner_api.allowed_hosts",
							   "Lists the hosts that tokens may be sent to.",
							   "Each entry is host or host:port; plain http is possible only to a loopback host that is listed.",
							   &partner_api_allowed_hosts,
							   DEFAULT_ALLOWED_HOSTS,
							   PGC_SUSET, GUC_LIST_INPUT,
							   check_allowed_hosts, NULL, NULL);

	DefineCustomIntVariable("partner_api.call_timeout",
							"Sets how long a waiting call waits for its outcome.",
							"The action itself goes on; the error names it.",
							&partner_api_call_timeout,
							60000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomStringVariable("partner_api.databases",
							   "Lists the databases in which a worker runs.",
							   NULL, &partner_api_databases, "",
							   PGC_SIGHUP, GUC_LIST_INPUT,
							   check_databases, NULL, NULL);

	DefineCustomBoolVariable("partner_api.enabled",
							 "Lets the workers send requests.",
							 "When off, actions are accepted and wait.",
							 &partner_api_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("partner_api.paid_calls",
							 "Lets the workers send what leads to a bill.",
							 "When off, creates, signs and changes of subscriptions wait; everything else goes on.",
							 &partner_api_paid_calls, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	if (process_shared_preload_libraries_in_progress)
		define_postmaster_settings();

	MarkGUCPrefixReserved("partner_api");
}
