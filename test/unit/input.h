/*-------------------------------------------------------------------------
 *
 * input.h
 *	  What the fuzz targets share: taking arguments from a fuzzer's bytes.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef INPUT_H
#define INPUT_H

#include "postgres.h"

#include "backend.h"
#include "providers/provider.h"

/* The bytes that are left, and whom they are tried on. */
typedef struct Input
{
	const uint8 *bytes;
	size_t		size;
	const PartnerApiProvider *provider;
} Input;

/* Stop with a finding unless the condition holds. */
#define require(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/*
 * A number below the limit from one character, '0' for 0 and so on, so that
 * seeds are readable; 0 if nothing is left.
 */
extern int	take_choice(Input *input, int limit);

/*
 * What is left as text, in a chunk of just its size and a NUL; *len may be
 * NULL.
 */
extern char *take_text(Input *input, size_t *len);

/* A complete answer: one character chooses the status, the rest is body. */
extern PartnerApiResponse take_response(Input *input);

/* What requests are built with. */
extern const PartnerApiCredential fuzz_credential;

/*
 * Run a step, which must not raise an error, on the same bytes once for every
 * provider.
 */
extern void try_providers(void (*step) (Input *input), const uint8 *bytes,
						  size_t size);

#endif							/* INPUT_H */
