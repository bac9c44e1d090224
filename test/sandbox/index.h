/*-------------------------------------------------------------------------
 *
 * index.h
 *	  Hash map, priority queue and counted order: what keeps every request
 *	  cheap with a million instances.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_INDEX_H
#define SANDBOX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text to pointer.  Keys are borrowed; nothing is ever removed singly. */
typedef struct SandboxMapSlot
{
	uint64_t	hash;
	const char *key;			/* NULL: free */
	void	   *value;
} SandboxMapSlot;

typedef struct SandboxMap
{
	SandboxMapSlot *slots;
	size_t		size;			/* a power of two, or 0 */
	size_t		used;
} SandboxMap;

extern void *sandbox_map_get(const SandboxMap *map, const char *key);
extern void sandbox_map_put(SandboxMap *map, const char *key, void *value);
extern void sandbox_map_clear(SandboxMap *map);

/* Smallest key first. */
typedef struct SandboxHeapItem
{
	int64_t		key;
	void	   *value;
	unsigned	tag;			/* the owner's, for example a generation */
} SandboxHeapItem;

typedef struct SandboxHeap
{
	SandboxHeapItem *items;
	size_t		count;
	size_t		size;
} SandboxHeap;

extern void sandbox_heap_push(SandboxHeap *heap, int64_t key, void *value,
							  unsigned tag);
extern SandboxHeapItem sandbox_heap_pop(SandboxHeap *heap);
extern void sandbox_heap_remove(SandboxHeap *heap, const void *value);
extern void sandbox_heap_clear(SandboxHeap *heap);

/* Positions 1..count, each present or not, addressed by rank (Fenwick). */
typedef struct SandboxOrder
{
	uint32_t   *sums;
	size_t		count;
	size_t		size;
	size_t		present;
} SandboxOrder;

extern void sandbox_order_append(SandboxOrder *order);
extern void sandbox_order_set(SandboxOrder *order, size_t position,
							  bool present);
extern size_t sandbox_order_find(const SandboxOrder *order, size_t rank);
extern void sandbox_order_clear(SandboxOrder *order);

#endif							/* SANDBOX_INDEX_H */
