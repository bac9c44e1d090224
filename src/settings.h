/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings of partner_api, all named partner_api.*.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SETTINGS_H
#define PARTNER_API_SETTINGS_H

#include "postgres.h"

typedef enum PartnerApiAfterPromotion
{
	PARTNER_API_AFTER_PROMOTION_CONTINUE,
	PARTNER_API_AFTER_PROMOTION_CONFIRM
} PartnerApiAfterPromotion;

extern int	partner_api_after_promotion;	/* PartnerApiAfterPromotion */
extern char *partner_api_allowed_hosts;
extern int	partner_api_call_slots;
extern int	partner_api_call_timeout;	/* ms */
extern char *partner_api_databases;
extern bool partner_api_enabled;
extern int	partner_api_max_connections;
extern bool partner_api_paid_calls;
extern bool partner_api_test_clock;

extern void partner_api_define_settings(void);

#endif							/* PARTNER_API_SETTINGS_H */
