/*-------------------------------------------------------------------------
 *
 * sightings.h
 *	  What the rows of a list show of an action whose outcome is unknown.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SIGHTINGS_H
#define PARTNER_API_SIGHTINGS_H

#include "postgres.h"

#include "nonce.h"
#include "transfers.h"

/* What has been seen of one action so far; in its claim's context. */
typedef struct PartnerApiSighting
{
	List	   *nonces;			/* of PartnerApiNonce *: found by these */
	PartnerApiListRow *found;	/* the row it is about, copied */
	int			surplus;		/* further instances of the same create */
	bool		nonce_seen;		/* a row showed a nonce of ours unmodified */
	bool		stranger;		/* a row may be its effect, renamed */
	List	   *present;		/* bulk delete: ids that are still there */
	/* what is no instance: */
	PartnerApiAction action;	/* for the provider's judgement of rows */
	bool		met;			/* a row was about it */
	bool		riddle;			/* and could not be read */
} PartnerApiSighting;

/* A row of the list, and the nonce in its name. */
typedef struct PartnerApiMarkedRow
{
	const PartnerApiListRow *row;
	bool		has_nonce;
	PartnerApiNonce nonce;
} PartnerApiMarkedRow;

extern void partner_api_sighting_begin(PartnerApiTransfer *transfer);
extern void partner_api_mark_row(PartnerApiMarkedRow *marked,
								 const PartnerApiListRow *row);
extern void partner_api_sighting_add(PartnerApiTransfer *transfer,
									 const PartnerApiMarkedRow *marked);
extern PartnerApiFinding partner_api_sighting_judge(const PartnerApiTransfer *transfer);

#endif							/* PARTNER_API_SIGHTINGS_H */
