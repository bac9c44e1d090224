/*-------------------------------------------------------------------------
 *
 * ledger.c
 *	  All instances: found by id, listed in order, woken in time.
 *
 * Instances are kept until a reset, also those that are gone: tests look at
 * them.  A plain list page costs the logarithm of their number, and time
 * passing costs only for those whose moment has come.  All providers share
 * one ledger; each has its own order of what its list shows.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "util.h"

/* Agenda tag of "becomes visible"; generations start at 1 */
#define TAG_VISIBLE 0

static SandboxInstance **instances = NULL;	/* by position, from 1 */
static size_t instance_count = 0;
static size_t instance_size = 0;

static SandboxMap by_id;
static SandboxMap names;		/* to SandboxEffectCounts */
static SandboxHeap agenda;

SandboxInstance *
sandbox_ledger_find(const char *id)
{
	return sandbox_map_get(&by_id, id);
}

size_t
sandbox_ledger_count(void)
{
	return instance_count;
}

/* position counts from 1, oldest first */
SandboxInstance *
sandbox_ledger_get(size_t position)
{
	return instances[position];
}

/* Name to SandboxEffectCounts. */
const SandboxMap *
sandbox_ledger_names(void)
{
	return &names;
}

/* The counters shared by all instances of a name, made if new. */
SandboxEffectCounts *
sandbox_ledger_name_effects(const char *name)
{
	SandboxEffectCounts *counts = sandbox_map_get(&names, name);

	if (counts == NULL)
	{
		counts = sandbox_alloc(sizeof(*counts));
		sandbox_map_put(&names, sandbox_strdup(name), counts);
	}
	return counts;
}

/* Bring the list in line with what an instance is now. */
static void
update_listed(SandboxInstance *instance)
{
	const SandboxRules *rules = instance->rules;
	bool		wanted = instance->visible_at <= sandbox_clock_now() &&
	rules->is_listed(instance);

	if (wanted != instance->listed)
		sandbox_order_set(rules->listed, instance->position, wanted);
	instance->listed = wanted;
}

/* An instance's state or times changed: list it, schedule what comes. */
void
sandbox_ledger_changed(SandboxInstance *instance)
{
	int64_t		next = instance->rules->next(instance);

	instance->generation++;
	if (next != SANDBOX_NEVER)
		sandbox_heap_push(&agenda, next, instance, instance->generation);
	update_listed(instance);
}

/* Enter a new instance, whose id must be new too. */
void
sandbox_ledger_add(SandboxInstance *instance)
{
	size_t		i;

	instance_count++;
	if (instance_count >= instance_size)
	{
		instance_size = instance_size > 0 ? instance_size * 2 : 64;
		instances = sandbox_realloc(instances,
									instance_size *
									sizeof(SandboxInstance *));
	}
	instance->position = instance_count;
	instances[instance_count] = instance;
	sandbox_map_put(&by_id, instance->id, instance);
	for (i = 0; sandbox_rules_get(i) != NULL; i++)
		sandbox_order_append(sandbox_rules_get(i)->listed);
	if (instance->visible_at > sandbox_clock_now())
		sandbox_heap_push(&agenda, instance->visible_at, instance,
						  TAG_VISIBLE);
	sandbox_ledger_changed(instance);
}

/* Let everything happen whose time has come, in its order. */
void
sandbox_ledger_tick(void)
{
	int64_t		now = sandbox_clock_now();

	while (agenda.count > 0 && agenda.items[0].key <= now)
	{
		SandboxHeapItem item = sandbox_heap_pop(&agenda);
		SandboxInstance *instance = item.value;

		if (item.tag == TAG_VISIBLE)
			update_listed(instance);
		else if (item.tag == instance->generation)
		{
			instance->rules->wake(instance);
			sandbox_ledger_changed(instance);
		}
	}
}

/* The configuration changed: look at each instance again. */
void
sandbox_ledger_relist(void)
{
	size_t		i;

	for (i = 1; i <= instance_count; i++)
		update_listed(instances[i]);
}

static bool
text_matches(const char *text, const char *query)
{
	if (sandbox_config.query_mode == SANDBOX_QUERY_EXACT)
		return strcmp(text, query) == 0;
	return strstr(text, query) != NULL;
}

static bool
matches(const SandboxInstance *instance, const SandboxFilter *filter)
{
	if (!instance->listed || instance->rules != filter->rules)
		return false;
	if (filter->middleware != NULL &&
		strcmp(filter->middleware, instance->middleware) != 0)
		return false;
	return filter->query == NULL ||
		text_matches(instance->name, filter->query) ||
		text_matches(instance->id, filter->query);
}

/* A filtered page has to look at every instance. */
static size_t
filtered_page(const SandboxFilter *filter, size_t skip, size_t limit,
			  SandboxInstance **page, size_t *count)
{
	bool		newest = sandbox_config.list_order == SANDBOX_NEWEST_FIRST;
	size_t		total = 0;
	size_t		i;

	for (i = 1; i <= instance_count; i++)
	{
		size_t		position = newest ? instance_count + 1 - i : i;

		if (!matches(instances[position], filter))
			continue;
		if (total >= skip && *count < limit)
			page[(*count)++] = instances[position];
		total++;
	}
	return total;
}

/* Fill page with up to limit listed instances after the first skip ones. */
size_t
sandbox_ledger_page(const SandboxFilter *filter, size_t skip, size_t limit,
					SandboxInstance **page, size_t *count)
{
	SandboxFilter used = *filter;
	const SandboxOrder *listed = filter->rules->listed;
	size_t		rank;

	*count = 0;
	if (sandbox_config.query_mode == SANDBOX_QUERY_IGNORE)
		used.query = NULL;
	if (used.query != NULL || used.middleware != NULL)
		return filtered_page(&used, skip, limit, page, count);
	for (rank = skip + 1; rank <= listed->present && *count < limit; rank++)
	{
		bool		newest = sandbox_config.list_order == SANDBOX_NEWEST_FIRST;
		size_t		wanted = newest ? listed->present + 1 - rank : rank;

		page[(*count)++] = instances[sandbox_order_find(listed, wanted)];
	}
	return listed->present;
}

static void
free_instance(SandboxInstance *instance)
{
	free(instance->id);
	free(instance->token);
	free(instance->name);
	free(instance->requested_name);
	free(instance->literal);
	json_decref(instance->settings);
	free(instance);
}

/* Forget all instances and names. */
void
sandbox_ledger_reset(void)
{
	size_t		i;

	for (i = 1; i <= instance_count; i++)
		free_instance(instances[i]);
	for (i = 0; i < names.size; i++)
	{
		free((char *) names.slots[i].key);
		free(names.slots[i].value);
	}
	free(instances);
	instances = NULL;
	instance_count = 0;
	instance_size = 0;
	sandbox_map_clear(&by_id);
	sandbox_map_clear(&names);
	for (i = 0; sandbox_rules_get(i) != NULL; i++)
		sandbox_order_clear(sandbox_rules_get(i)->listed);
	sandbox_heap_clear(&agenda);
}
