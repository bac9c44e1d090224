/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Keeps the extension from being dropped while a call is in flight.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_GUARD_H
#define PARTNER_API_GUARD_H

extern void partner_api_install_guard(void);

#endif							/* PARTNER_API_GUARD_H */
