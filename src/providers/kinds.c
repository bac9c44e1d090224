/*-------------------------------------------------------------------------
 *
 * kinds.c
 *	  The operations that change something at a provider, and what is to be
 *	  known of each.
 *
 * A new operation is a row of this table, its SQL functions, and what its
 * provider makes of it.  Whoever handles actions asks for their traits.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "providers/kinds.h"

static const PartnerApiKindTraits traits[PARTNER_API_KINDS] = {
	/*
	 * A create may be free by itself (Z-API), but takes a place of a limited
	 * token and is signed by default.
	 */
	[PARTNER_API_CREATE_INSTANCE] = {
		.name = "create_instance",
		.repeat = PARTNER_API_REPEAT_BY_NONCE,
		.creates = true,
		.paid = true,
		.event = "created"
	},
	[PARTNER_API_SIGN_INSTANCE] = {
		.name = "sign_instance",
		.repeat = PARTNER_API_REPEAT_PROVED,
		.paid = true,
		.event = "signed",
		.id_argument = "instance_id"
	},
	[PARTNER_API_UPDATE_SUBSCRIPTION] = {
		.name = "update_subscription",
		.repeat = PARTNER_API_REPEAT_FREELY,
		.paid = true,
		.event = "subscription_updated",
		.id_argument = "instance_id"
	},
	[PARTNER_API_CANCEL_INSTANCE] = {
		.name = "cancel_instance",
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.event = "cancelled",
		.id_argument = "instance_id"
	},
	[PARTNER_API_DELETE_INSTANCE] = {
		.name = "delete_instance",
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.event = "deleted",
		.id_argument = "instance_id"
	},
	[PARTNER_API_DELETE_INSTANCES] = {
		.name = "delete_instances",
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true
	},
	[PARTNER_API_DISCONNECT_INSTANCE] = {
		.name = "disconnect_instance",
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "disconnected",
		.id_argument = "instance_id"
	},
	[PARTNER_API_REBOOT_INSTANCE] = {
		.name = "reboot_instance",
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "rebooted",
		.id_argument = "instance_id"
	},
	[PARTNER_API_CHANGE_SETTINGS] = {
		.name = "change_settings",
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "settings_changed",
		.id_argument = "instance_id"
	},
	[PARTNER_API_AWAIT_INSTANCE] = {
		.name = "await_instance",
		.repeat = PARTNER_API_REPEAT_FREELY,
		.asks = true,
		.event = "ready",
		.id_argument = "instance_id"
	},
	[PARTNER_API_CHECK_SETTINGS] = {
		.name = "check_settings",
		.repeat = PARTNER_API_REPEAT_FREELY,
		.asks = true,
		.event = "settings_checked",
		.id_argument = "instance_id"
	},
	[PARTNER_API_CREATE_PLAN] = {
		.name = "create_plan",
		.object = PARTNER_API_PLAN,
		.list = PARTNER_API_LIST_PLANS,
		.repeat = PARTNER_API_REPEAT_BY_NONCE,
		.creates = true,
		.event = "created"
	},
	[PARTNER_API_CHANGE_PLAN] = {
		.name = "change_plan",
		.object = PARTNER_API_PLAN,
		.list = PARTNER_API_LIST_PLANS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "changed",
		.id_argument = "plan_id"
	},
	[PARTNER_API_DELETE_PLAN] = {
		.name = "delete_plan",
		.object = PARTNER_API_PLAN,
		.list = PARTNER_API_LIST_PLANS,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.event = "deleted",
		.id_argument = "plan_id"
	},
	/* charges a card at once, and carries nothing of ours to be found by */
	[PARTNER_API_CREATE_SUBSCRIPTION] = {
		.name = "create_subscription",
		.object = PARTNER_API_SUBSCRIPTION,
		.list = PARTNER_API_LIST_SUBSCRIPTIONS,
		.repeat = PARTNER_API_REPEAT_NEVER,
		.creates = true,
		.event = "created"
	},
	[PARTNER_API_CHANGE_SUBSCRIPTION] = {
		.name = "change_subscription",
		.object = PARTNER_API_SUBSCRIPTION,
		.list = PARTNER_API_LIST_SUBSCRIPTIONS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "changed",
		.id_argument = "subscription_id"
	},
	[PARTNER_API_SUSPEND_SUBSCRIPTION] = {
		.name = "suspend_subscription",
		.object = PARTNER_API_SUBSCRIPTION,
		.list = PARTNER_API_LIST_SUBSCRIPTIONS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "suspended",
		.id_argument = "subscription_id"
	},
	[PARTNER_API_REACTIVATE_SUBSCRIPTION] = {
		.name = "reactivate_subscription",
		.object = PARTNER_API_SUBSCRIPTION,
		.list = PARTNER_API_LIST_SUBSCRIPTIONS,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.event = "reactivated",
		.id_argument = "subscription_id"
	},
	[PARTNER_API_CANCEL_SUBSCRIPTION] = {
		.name = "cancel_subscription",
		.object = PARTNER_API_SUBSCRIPTION,
		.list = PARTNER_API_LIST_SUBSCRIPTIONS,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.event = "cancelled",
		.id_argument = "subscription_id"
	},
	/* whether an invoice that was given back can be given back again? */
	[PARTNER_API_REFUND_INVOICE] = {
		.name = "refund_invoice",
		.object = PARTNER_API_INVOICE,
		.list = PARTNER_API_LIST_INVOICES,
		.repeat = PARTNER_API_REPEAT_NEVER,
		.event = "refunded",
		.id_argument = "invoice_id"
	},
	/* a document is registered once: the second answer has the same id */
	[PARTNER_API_CREATE_CLIENT] = {
		.name = "create_client",
		.object = PARTNER_API_CLIENT,
		.list = PARTNER_API_LIST_CLIENTS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.creates = true,
		.event = "created"
	},

	/*
	 * The card's data is gone once it was sent, and no list shows cards; one
	 * that can be read without knowing the client serves to say so.
	 */
	[PARTNER_API_STORE_CARD] = {
		.name = "store_card",
		.object = PARTNER_API_CARD,
		.list = PARTNER_API_LIST_PLANS,
		.repeat = PARTNER_API_REPEAT_NEVER,
		.event = "stored",
		.id_argument = "client_id"
	},
	/* these carry our nonce in a field that is searched by */
	[PARTNER_API_CREATE_CUSTOMER] = {
		.name = "create_customer",
		.object = PARTNER_API_CUSTOMER,
		.list = PARTNER_API_LIST_CUSTOMERS,
		.repeat = PARTNER_API_REPEAT_BY_NONCE,
		.creates = true,
		.awaited = true,
		.event = "created"
	},
	[PARTNER_API_CHANGE_CUSTOMER] = {
		.name = "change_customer",
		.object = PARTNER_API_CUSTOMER,
		.list = PARTNER_API_LIST_CUSTOMERS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.awaited = true,
		.event = "changed",
		.id_argument = "customer_id"
	},
	[PARTNER_API_DELETE_CUSTOMER] = {
		.name = "delete_customer",
		.object = PARTNER_API_CUSTOMER,
		.list = PARTNER_API_LIST_CUSTOMERS,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.event = "deleted",
		.id_argument = "customer_id"
	},
	[PARTNER_API_RESTORE_CUSTOMER] = {
		.name = "restore_customer",
		.object = PARTNER_API_CUSTOMER,
		.list = PARTNER_API_LIST_CUSTOMERS,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.event = "restored",
		.id_argument = "customer_id"
	},
	[PARTNER_API_CREATE_CHARGE] = {
		.name = "create_charge",
		.object = PARTNER_API_CHARGE,
		.list = PARTNER_API_LIST_CHARGES,
		.repeat = PARTNER_API_REPEAT_BY_NONCE,
		.creates = true,
		.awaited = true,
		.event = "created"
	},
	[PARTNER_API_CHANGE_CHARGE] = {
		.name = "change_charge",
		.object = PARTNER_API_CHARGE,
		.list = PARTNER_API_LIST_CHARGES,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "changed",
		.id_argument = "charge_id"
	},
	[PARTNER_API_DELETE_CHARGE] = {
		.name = "delete_charge",
		.object = PARTNER_API_CHARGE,
		.list = PARTNER_API_LIST_CHARGES,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.awaited = true,
		.event = "deleted",
		.id_argument = "charge_id"
	},
	[PARTNER_API_RESTORE_CHARGE] = {
		.name = "restore_charge",
		.object = PARTNER_API_CHARGE,
		.list = PARTNER_API_LIST_CHARGES,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.event = "restored",
		.id_argument = "charge_id"
	},
	/* a part of it can be given back twice */
	[PARTNER_API_REFUND_CHARGE] = {
		.name = "refund_charge",
		.object = PARTNER_API_CHARGE,
		.list = PARTNER_API_LIST_CHARGES,
		.repeat = PARTNER_API_REPEAT_NEVER,
		.event = "refunded",
		.id_argument = "charge_id"
	},
	[PARTNER_API_RECEIVE_CHARGE] = {
		.name = "receive_charge",
		.object = PARTNER_API_CHARGE,
		.list = PARTNER_API_LIST_CHARGES,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.event = "received",
		.id_argument = "charge_id"
	},
	[PARTNER_API_UNDO_RECEIVE_CHARGE] = {
		.name = "undo_receive_charge",
		.object = PARTNER_API_CHARGE,
		.list = PARTNER_API_LIST_CHARGES,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.event = "receipt_undone",
		.id_argument = "charge_id"
	},
	[PARTNER_API_CREATE_RECURRENCE] = {
		.name = "create_recurrence",
		.object = PARTNER_API_RECURRENCE,
		.list = PARTNER_API_LIST_RECURRENCES,
		.repeat = PARTNER_API_REPEAT_BY_NONCE,
		.creates = true,
		.event = "created"
	},
	[PARTNER_API_CHANGE_RECURRENCE] = {
		.name = "change_recurrence",
		.object = PARTNER_API_RECURRENCE,
		.list = PARTNER_API_LIST_RECURRENCES,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "changed",
		.id_argument = "recurrence_id"
	},
	[PARTNER_API_DELETE_RECURRENCE] = {
		.name = "delete_recurrence",
		.object = PARTNER_API_RECURRENCE,
		.list = PARTNER_API_LIST_RECURRENCES,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.event = "deleted",
		.id_argument = "recurrence_id"
	},
	[PARTNER_API_CHECK_NOTIFICATIONS] = {
		.name = "check_notifications",
		.object = PARTNER_API_NOTIFICATION,
		.list = PARTNER_API_LIST_NOTIFICATIONS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.asks = true,
		.awaited = true,
		.event = "checked",
		.id_argument = "customer_id"
	},
	[PARTNER_API_CHANGE_NOTIFICATIONS] = {
		.name = "change_notifications",
		.object = PARTNER_API_NOTIFICATION,
		.list = PARTNER_API_LIST_NOTIFICATIONS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.awaited = true,
		.event = "changed",
		.id_argument = "customer_id"
	},
	[PARTNER_API_CREATE_WEBHOOK] = {
		.name = "create_webhook",
		.object = PARTNER_API_WEBHOOK,
		.list = PARTNER_API_LIST_WEBHOOKS,
		.repeat = PARTNER_API_REPEAT_BY_NONCE,
		.creates = true,
		.event = "created"
	},
	[PARTNER_API_CHANGE_WEBHOOK] = {
		.name = "change_webhook",
		.object = PARTNER_API_WEBHOOK,
		.list = PARTNER_API_LIST_WEBHOOKS,
		.repeat = PARTNER_API_REPEAT_FREELY,
		.event = "changed",
		.id_argument = "webhook_id"
	},
	[PARTNER_API_DELETE_WEBHOOK] = {
		.name = "delete_webhook",
		.object = PARTNER_API_WEBHOOK,
		.list = PARTNER_API_LIST_WEBHOOKS,
		.repeat = PARTNER_API_REPEAT_PROVED,
		.absence = true,
		.event = "deleted",
		.id_argument = "webhook_id"
	}
};

static const char *const object_names[PARTNER_API_OBJECTS] = {
	[PARTNER_API_INSTANCE] = "instance",
	[PARTNER_API_PLAN] = "plan",
	[PARTNER_API_SUBSCRIPTION] = "subscription",
	[PARTNER_API_CLIENT] = "client",
	[PARTNER_API_CARD] = "card",
	[PARTNER_API_INVOICE] = "invoice",
	[PARTNER_API_CUSTOMER] = "customer",
	[PARTNER_API_CHARGE] = "charge",
	[PARTNER_API_RECURRENCE] = "recurrence",
	[PARTNER_API_NOTIFICATION] = "notification",
	[PARTNER_API_WEBHOOK] = "webhook"
};

/* What each list shows, and its name. */
static const struct
{
	PartnerApiObject object;
	const char *name;
}			lists[PARTNER_API_LISTS] = {
	[PARTNER_API_LIST_INSTANCES] = {PARTNER_API_INSTANCE, "instances"},
	[PARTNER_API_LIST_PLANS] = {PARTNER_API_PLAN, "plans"},
	[PARTNER_API_LIST_SUBSCRIPTIONS] =
	{PARTNER_API_SUBSCRIPTION, "subscriptions"},
	[PARTNER_API_LIST_CLIENTS] = {PARTNER_API_CLIENT, "clients"},
	[PARTNER_API_LIST_INVOICES] = {PARTNER_API_INVOICE, "invoices"},
	[PARTNER_API_LIST_CUSTOMERS] = {PARTNER_API_CUSTOMER, "customers"},
	[PARTNER_API_LIST_CHARGES] = {PARTNER_API_CHARGE, "charges"},
	[PARTNER_API_LIST_RECURRENCES] =
	{PARTNER_API_RECURRENCE, "recurrences"},
	[PARTNER_API_LIST_NOTIFICATIONS] =
	{PARTNER_API_NOTIFICATION, "notifications"},
	[PARTNER_API_LIST_WEBHOOKS] = {PARTNER_API_WEBHOOK, "webhooks"}
};

/* What is to be known of a kind. */
const PartnerApiKindTraits *
partner_api_kind_traits(PartnerApiKind kind)
{
	return &traits[kind];
}

/* The kind as it is written in SQL. */
const char *
partner_api_kind_name(PartnerApiKind kind)
{
	return traits[kind].name;
}

/* Does it lead to a bill of the provider? */
bool
partner_api_kind_is_paid(PartnerApiKind kind)
{
	return traits[kind].paid;
}

/* Does it act on instances? */
bool
partner_api_kind_of_instance(PartnerApiKind kind)
{
	return traits[kind].object == PARTNER_API_INSTANCE;
}

/* The kind of a name; false for a name that is none. */
bool
partner_api_kind_parse(const char *name, PartnerApiKind *kind)
{
	for (int i = 0; i < PARTNER_API_KINDS; i++)
	{
		if (strcmp(traits[i].name, name) == 0)
		{
			*kind = (PartnerApiKind) i;
			return true;
		}
	}
	return false;
}

/* The sort of thing as object_events writes it. */
const char *
partner_api_object_name(PartnerApiObject object)
{
	return object_names[object];
}

/* The list as foreign tables name it. */
const char *
partner_api_list_name(PartnerApiList list)
{
	return lists[list].name;
}

/* What the list shows. */
PartnerApiObject
partner_api_list_object(PartnerApiList list)
{
	return lists[list].object;
}

/* Is the list always that of one thing, never read for several actions? */
bool
partner_api_list_is_narrow(PartnerApiList list)
{
	return list == PARTNER_API_LIST_CLIENTS ||
		list == PARTNER_API_LIST_INVOICES ||
		list == PARTNER_API_LIST_NOTIFICATIONS;
}

/*
 * Is a search of the list, for an id or a nonce, documented to find whatever
 * there is?  Then it proves as much as reading the list whole.
 */
bool
partner_api_list_is_searched(PartnerApiList list)
{
	return list == PARTNER_API_LIST_CUSTOMERS ||
		list == PARTNER_API_LIST_CHARGES ||
		list == PARTNER_API_LIST_RECURRENCES;
}

/* The list of a name; false for a name that is none. */
bool
partner_api_list_parse(const char *name, PartnerApiList *list)
{
	for (int i = 0; i < PARTNER_API_LISTS; i++)
	{
		if (strcmp(lists[i].name, name) == 0)
		{
			*list = (PartnerApiList) i;
			return true;
		}
	}
	return false;
}
