/*-------------------------------------------------------------------------
 *
 * kinds.h
 *	  The operations that change something at a provider, and what is to be
 *	  known of each.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_KINDS_H
#define PARTNER_API_KINDS_H

#include "postgres.h"

/* What is changed; each kind of action acts on one sort. */
typedef enum PartnerApiObject
{
	PARTNER_API_INSTANCE,
	PARTNER_API_PLAN,
	PARTNER_API_SUBSCRIPTION,	/* a client's subscription to a plan */
	PARTNER_API_CLIENT,
	PARTNER_API_CARD,
	PARTNER_API_INVOICE,
	PARTNER_API_CUSTOMER,		/* who is charged by us */
	PARTNER_API_CHARGE,			/* what a customer is to pay */
	PARTNER_API_RECURRENCE,		/* charges that the provider makes by itself */
	PARTNER_API_NOTIFICATION,	/* when and how a customer is told */
	PARTNER_API_WEBHOOK
} PartnerApiObject;

#define PARTNER_API_OBJECTS (PARTNER_API_WEBHOOK + 1)

/* The lists of a provider. */
typedef enum PartnerApiList
{
	PARTNER_API_LIST_INSTANCES,
	PARTNER_API_LIST_PLANS,
	PARTNER_API_LIST_SUBSCRIPTIONS,
	PARTNER_API_LIST_CLIENTS,	/* of one document */
	PARTNER_API_LIST_INVOICES,	/* of one subscription */
	PARTNER_API_LIST_CUSTOMERS,
	PARTNER_API_LIST_CHARGES,
	PARTNER_API_LIST_RECURRENCES,
	PARTNER_API_LIST_NOTIFICATIONS, /* of one customer */
	PARTNER_API_LIST_WEBHOOKS
} PartnerApiList;

#define PARTNER_API_LISTS (PARTNER_API_LIST_WEBHOOKS + 1)

typedef enum PartnerApiKind
{
	PARTNER_API_CREATE_INSTANCE,
	PARTNER_API_SIGN_INSTANCE,
	PARTNER_API_UPDATE_SUBSCRIPTION,
	PARTNER_API_CANCEL_INSTANCE,
	PARTNER_API_DELETE_INSTANCE,
	PARTNER_API_DELETE_INSTANCES,
	PARTNER_API_DISCONNECT_INSTANCE,
	PARTNER_API_REBOOT_INSTANCE,
	PARTNER_API_CHANGE_SETTINGS,
	PARTNER_API_AWAIT_INSTANCE,
	PARTNER_API_CHECK_SETTINGS,
	PARTNER_API_CREATE_PLAN,
	PARTNER_API_CHANGE_PLAN,
	PARTNER_API_DELETE_PLAN,
	PARTNER_API_CREATE_SUBSCRIPTION,
	PARTNER_API_CHANGE_SUBSCRIPTION,
	PARTNER_API_SUSPEND_SUBSCRIPTION,
	PARTNER_API_REACTIVATE_SUBSCRIPTION,
	PARTNER_API_CANCEL_SUBSCRIPTION,
	PARTNER_API_REFUND_INVOICE,
	PARTNER_API_CREATE_CLIENT,
	PARTNER_API_STORE_CARD,
	PARTNER_API_CREATE_CUSTOMER,
	PARTNER_API_CHANGE_CUSTOMER,
	PARTNER_API_DELETE_CUSTOMER,
	PARTNER_API_RESTORE_CUSTOMER,
	PARTNER_API_CREATE_CHARGE,
	PARTNER_API_CHANGE_CHARGE,
	PARTNER_API_DELETE_CHARGE,
	PARTNER_API_RESTORE_CHARGE,
	PARTNER_API_REFUND_CHARGE,
	PARTNER_API_RECEIVE_CHARGE, /* it was paid in cash */
	PARTNER_API_UNDO_RECEIVE_CHARGE,
	PARTNER_API_CREATE_RECURRENCE,
	PARTNER_API_CHANGE_RECURRENCE,
	PARTNER_API_DELETE_RECURRENCE,
	PARTNER_API_CHECK_NOTIFICATIONS,
	PARTNER_API_CHANGE_NOTIFICATIONS,
	PARTNER_API_CREATE_WEBHOOK,
	PARTNER_API_CHANGE_WEBHOOK,
	PARTNER_API_DELETE_WEBHOOK
} PartnerApiKind;

#define PARTNER_API_KINDS (PARTNER_API_DELETE_WEBHOOK + 1)

/* What it takes to send a request again whose answer was lost. */
typedef enum PartnerApiRepeat
{
	PARTNER_API_REPEAT_FREELY,	/* a second one changes nothing more */
	PARTNER_API_REPEAT_PROVED,	/* proof that it had no effect */
	PARTNER_API_REPEAT_BY_NONCE,	/* and a list known to show our nonces */
	PARTNER_API_REPEAT_NEVER	/* a person decides */
} PartnerApiRepeat;

/* What is to be known of a kind, whatever the provider. */
typedef struct PartnerApiKindTraits
{
	const char *name;			/* in SQL */
	PartnerApiObject object;	/* what it acts on, or makes */
	PartnerApiList list;		/* where its effect shows */
	PartnerApiRepeat repeat;
	bool		creates;		/* makes something that has no id before */
	bool		absence;		/* what is not listed shows the effect */
	bool		paid;			/* leads to a bill of the provider */
	bool		asks;			/* changes nothing, asks for a state */
	bool		awaited;		/* rows here wait for it: they must learn of a
								 * failure too */
	const char *event;			/* that its success is; NULL for bulk ones */
	const char *id_argument;	/* names the id that it acts on; or NULL */
} PartnerApiKindTraits;

extern const PartnerApiKindTraits *partner_api_kind_traits(PartnerApiKind kind);
extern const char *partner_api_kind_name(PartnerApiKind kind);
extern bool partner_api_kind_is_paid(PartnerApiKind kind);
extern bool partner_api_kind_of_instance(PartnerApiKind kind);
extern bool partner_api_kind_parse(const char *name, PartnerApiKind *kind);
extern const char *partner_api_object_name(PartnerApiObject object);
extern const char *partner_api_list_name(PartnerApiList list);
extern PartnerApiObject partner_api_list_object(PartnerApiList list);
extern bool partner_api_list_is_narrow(PartnerApiList list);
extern bool partner_api_list_is_searched(PartnerApiList list);
extern bool partner_api_list_parse(const char *name, PartnerApiList *list);

#endif							/* PARTNER_API_KINDS_H */
