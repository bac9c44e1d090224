/*-------------------------------------------------------------------------
 *
 * instance.c
 *	  One instance: what all providers' instances have in common.
 *
 * Every effect on an instance is counted here and nowhere else, by the calls
 * of the rules that have it, so the counters cannot disagree with the state.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "instance.h"

#include <ctype.h>
#include <string.h>

#include "clock.h"
#include "greenapi.h"
#include "ledger.h"
#include "util.h"
#include "zapi.h"

const char *const sandbox_effect_names[SANDBOX_EFFECTS] = {
	"creates", "signs", "updates", "cancels", "deletes", "disconnects"
};

static const SandboxRules *const all_rules[] = {
	&sandbox_zapi_rules,
	&sandbox_greenapi_rules
};

const SandboxRules *
sandbox_rules_get(size_t i)
{
	return i < lengthof(all_rules) ? all_rules[i] : NULL;
}

/* An effect happened. */
void
sandbox_instance_count(SandboxInstance *instance, SandboxEffect effect)
{
	instance->effects.count[effect]++;
	instance->name_effects->count[effect]++;
}

/* What is stored for a name, as the configuration mangles it. */
char *
sandbox_mangled_name(const char *name)
{
	char	   *result = sandbox_strdup(name);
	size_t		len = strlen(name);
	size_t		i;

	if (sandbox_config.name_rule == SANDBOX_NAME_UPPER)
	{
		for (i = 0; i < len; i++)
			result[i] = (char) toupper((unsigned char) result[i]);
	}
	if (sandbox_config.name_rule == SANDBOX_NAME_TRUNCATED &&
		len > (size_t) sandbox_config.name_bytes)
	{
		len = (size_t) sandbox_config.name_bytes;
		while (len > 0 && ((unsigned char) name[len] & 0xC0) == 0x80)
			len--;
		result[len] = '\0';
	}
	return result;
}

/* So many random upper-case hexadecimal digits, allocated. */
char *
sandbox_random_code(int digits)
{
	char	   *result = sandbox_alloc((size_t) digits + 1);

	sandbox_random_hex(result, digits);
	return result;
}

/*
 * maker is NULL for an instance that was not made through the API.  The
 * caller enters the result in the ledger.
 */
SandboxInstance *
sandbox_instance_create(const SandboxRules *rules, const char *name,
						json_t *settings, SandboxToken *maker)
{
	SandboxInstance *instance = sandbox_alloc(sizeof(*instance));
	int64_t		now = sandbox_clock_now();

	instance->rules = rules;
	instance->requested_name = sandbox_strdup(name);
	instance->name = maker != NULL ? sandbox_mangled_name(name) :
		sandbox_strdup(name);
	instance->settings = json_incref(settings);
	instance->maker = maker;
	instance->created_at = now;
	instance->visible_at = now;
	instance->name_effects =
		sandbox_ledger_name_effects(instance->requested_name);
	rules->begin(instance);
	if (maker != NULL)
	{
		instance->visible_at +=
			sandbox_config.list_lag_seconds * INT64_C(1000);
		maker->created++;
		maker->alive++;
		sandbox_instance_count(instance, SANDBOX_CREATES);
	}
	return instance;
}

/* It goes into a state in which it exists no more. */
void
sandbox_instance_vanish(SandboxInstance *instance, int state)
{
	instance->state = state;
	if (instance->maker != NULL)
		instance->maker->alive--;
}

/* Unlink the phone; false if none was linked. */
bool
sandbox_instance_disconnect(SandboxInstance *instance)
{
	if (!instance->connected)
		return false;
	instance->connected = false;
	sandbox_instance_count(instance, SANDBOX_DISCONNECTS);
	return true;
}

/* The provider's own word for its state. */
const char *
sandbox_instance_status(const SandboxInstance *instance)
{
	return instance->literal != NULL ? instance->literal :
		instance->rules->status(instance);
}
