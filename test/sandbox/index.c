/*-------------------------------------------------------------------------
 *
 * index.c
 *	  Hash map, priority queue and counted order.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "index.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* FNV-1a: keys are ids and names of at most a few hundred bytes. */
static uint64_t
hash_text(const char *text)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * UINT64_C(0x100000001b3);
	return hash ^ (hash >> 32);
}

/* The slot that holds key, or the free one where it belongs. */
static SandboxMapSlot *
find_slot(const SandboxMap *map, const char *key, uint64_t hash)
{
	size_t		i = hash & (map->size - 1);

	while (map->slots[i].key != NULL &&
		   (map->slots[i].hash != hash || strcmp(map->slots[i].key, key) != 0))
		i = (i + 1) & (map->size - 1);
	return &map->slots[i];
}

void *
sandbox_map_get(const SandboxMap *map, const char *key)
{
	return map->size == 0 ? NULL :
		find_slot(map, key, hash_text(key))->value;
}

static void
grow_map(SandboxMap *map)
{
	SandboxMap	bigger = {NULL, map->size > 0 ? map->size * 2 : 64, 0};
	size_t		i;

	bigger.slots = sandbox_alloc(bigger.size * sizeof(SandboxMapSlot));
	for (i = 0; i < map->size; i++)
	{
		const SandboxMapSlot *slot = &map->slots[i];

		if (slot->key != NULL)
			*find_slot(&bigger, slot->key, slot->hash) = *slot;
	}
	bigger.used = map->used;
	free(map->slots);
	*map = bigger;
}

/* Add key, or give it a new value; key must outlive the map. */
void
sandbox_map_put(SandboxMap *map, const char *key, void *value)
{
	uint64_t	hash = hash_text(key);
	SandboxMapSlot *slot;

	if ((map->used + 1) * 2 > map->size)
		grow_map(map);
	slot = find_slot(map, key, hash);
	if (slot->key == NULL)
		map->used++;
	slot->hash = hash;
	slot->key = key;
	slot->value = value;
}

void
sandbox_map_clear(SandboxMap *map)
{
	free(map->slots);
	memset(map, 0, sizeof(*map));
}

static void
sift_up(SandboxHeap *heap, size_t i, SandboxHeapItem item)
{
	while (i > 0 && heap->items[(i - 1) / 2].key > item.key)
	{
		heap->items[i] = heap->items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap->items[i] = item;
}

static void
sift_down(SandboxHeap *heap, size_t i, SandboxHeapItem item)
{
	for (;;)
	{
		size_t		child = 2 * i + 1;

		if (child + 1 < heap->count &&
			heap->items[child + 1].key < heap->items[child].key)
			child++;
		if (child >= heap->count || heap->items[child].key >= item.key)
			break;
		heap->items[i] = heap->items[child];
		i = child;
	}
	heap->items[i] = item;
}

void
sandbox_heap_push(SandboxHeap *heap, int64_t key, void *value, unsigned tag)
{
	SandboxHeapItem item = {key, value, tag};

	if (heap->count == heap->size)
	{
		heap->size = heap->size > 0 ? heap->size * 2 : 64;
		heap->items = sandbox_realloc(heap->items,
									  heap->size * sizeof(item));
	}
	sift_up(heap, heap->count++, item);
}

/* Take the first item of a heap that is not empty. */
SandboxHeapItem
sandbox_heap_pop(SandboxHeap *heap)
{
	SandboxHeapItem first = heap->items[0];

	heap->count--;
	if (heap->count > 0)
		sift_down(heap, 0, heap->items[heap->count]);
	return first;
}

/* Remove the item that holds value, if there is one (rare: it searches). */
void
sandbox_heap_remove(SandboxHeap *heap, const void *value)
{
	SandboxHeapItem last;
	size_t		i;

	for (i = 0; i < heap->count && heap->items[i].value != value; i++)
		;
	if (i == heap->count)
		return;
	last = heap->items[--heap->count];
	if (i == heap->count)
		return;
	if (i > 0 && heap->items[(i - 1) / 2].key > last.key)
		sift_up(heap, i, last);
	else
		sift_down(heap, i, last);
}

void
sandbox_heap_clear(SandboxHeap *heap)
{
	free(heap->items);
	memset(heap, 0, sizeof(*heap));
}

static size_t
low_bit(size_t i)
{
	return i & (~i + 1);
}

/* Add one position at the end, not present. */
void
sandbox_order_append(SandboxOrder *order)
{
	size_t		position = order->count + 1;
	uint32_t	sum = 0;
	size_t		i;

	if (position >= order->size)
	{
		order->size = order->size > 0 ? order->size * 2 : 64;
		order->sums = sandbox_realloc(order->sums,
									  order->size * sizeof(uint32_t));
	}
	for (i = position - 1; i > position - low_bit(position); i -= low_bit(i))
		sum += order->sums[i];
	order->sums[position] = sum;
	order->count = position;
}

/* Change whether position is present; the caller knows that it changes. */
void
sandbox_order_set(SandboxOrder *order, size_t position, bool present)
{
	size_t		i;

	for (i = position; i <= order->count; i += low_bit(i))
	{
		if (present)
			order->sums[i]++;
		else
			order->sums[i]--;
	}
	if (present)
		order->present++;
	else
		order->present--;
}

/* The position of the rank-th present one, from 1; rank <= present. */
size_t
sandbox_order_find(const SandboxOrder *order, size_t rank)
{
	size_t		position = 0;
	size_t		step = 1;

	while (step * 2 <= order->count)
		step *= 2;
	for (; step > 0; step /= 2)
	{
		if (position + step <= order->count &&
			order->sums[position + step] < rank)
		{
			position += step;
			rank -= order->sums[position];
		}
	}
	return position + 1;
}

void
sandbox_order_clear(SandboxOrder *order)
{
	free(order->sums);
	memset(order, 0, sizeof(*order));
}
