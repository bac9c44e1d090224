/*-------------------------------------------------------------------------
 *
 * wipe.c
 *	  Memory that does not keep what was in it.
 *
 * Card data must be gone once it was sent.  What we hold of it ourselves is
 * overwritten when it is not needed any more, and with its memory context at
 * the latest, so that an error leaves none of it behind.  What libcurl and
 * jansson make of it is theirs: they are given a free() that overwrites.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <malloc.h>

#include "utils/memutils.h"
#include "wipe.h"

/* What is to be overwritten with its context. */
typedef struct Wiping
{
	MemoryContextCallback release;
	void	   *memory;
	size_t		size;
} Wiping;

/* Reset callback. */
static void
wipe(void *arg)
{
	Wiping	   *wiping = arg;

	explicit_bzero(wiping->memory, wiping->size);
}

/*
 * Overwrite some of a context's memory when the context goes.  It must not be
 * freed before.
 */
void
partner_api_wipe_at_reset(MemoryContext context, void *memory, size_t size)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	Wiping	   *wiping = palloc(sizeof(Wiping));

	wiping->memory = memory;
	wiping->size = size;
	wiping->release.func = wipe;
	wiping->release.arg = wiping;
	MemoryContextRegisterResetCallback(context, &wiping->release);
	MemoryContextSwitchTo(before);
}

/* A copy of a secret text that is overwritten when its context goes. */
char *
partner_api_secret_copy(MemoryContext context, const char *text, size_t len)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	char	   *copy = palloc0(len + 1);

	MemoryContextSwitchTo(before);
	partner_api_wipe_at_reset(context, copy, len);
	memcpy(copy, text, len);
	return copy;
}

/* Overwrite a secret text now; it is empty then.  NULL is none. */
void
partner_api_secret_wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
}

/* free() of memory from malloc(), which is overwritten first. */
void
partner_api_wiping_free(void *memory)
{
	if (memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

/* realloc() that leaves nothing where the memory was. */
void *
partner_api_wiping_realloc(void *memory, size_t size)
{
	void	   *moved;

	if (memory == NULL)
		return malloc(size);
	moved = malloc(size);
	if (moved == NULL)
		return NULL;
	memcpy(moved, memory, Min(size, malloc_usable_size(memory)));
	partner_api_wiping_free(memory);
	return moved;
}
