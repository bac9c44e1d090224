/*-------------------------------------------------------------------------
 *
 * support.h
 *	  What the unit tests share: suites made of tables, short ways to write
 *	  actions and answers, jansson under supervision.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend.h"
#include "providers/provider.h"

/* ---- suites ---- */

/* A test; row is NULL for one that is not in a table. */
typedef void (*TestFunction) (const void *row);

/* Add one test, or one for each row of a table. */
extern void add_test(const char *name, TestFunction function);
extern void add_rows(TestFunction function, const void *rows, size_t size,
					 size_t count);

/* The first member of a row is its name, a const char *. */
#define add_table(function, table) \
	add_rows(function, table, sizeof((table)[0]), lengthof(table))

/*
 * Run what was added; the result is main's.  After each test the memory
 * context is reset, and jansson must have got everything back.
 */
extern int	run_suite(const char *name);

/* ---- assertions ---- */

/* Like assert_string_equal, but NULL is a value too. */
extern void assert_text(const char *actual, const char *expected);

/* The function raises this error, with a detail and a hint in good form. */
extern void assert_error(void (*function) (void *), void *argument,
						 int sqlstate, const char *message);

/*
 * Run a function with every single allocation failing in turn, palloc's and
 * jansson's: it must either succeed or raise "out of memory".
 */
extern void assert_survives_no_memory(void (*function) (void *),
									  void *argument);

/* ---- actions, answers, requests, verdicts ---- */

/* JSON with ' for ", released with the memory context; NULL for NULL. */
extern json_t *json_of(const char *str);

/* The same as text. */
extern char *quoted(const char *str);

/* An action on instance "ID" with token "TOKEN" where its kind has one. */
extern PartnerApiAction action_of(PartnerApiKind kind, const char *arguments);

/* A complete answer; the body is written with ' for ". */
extern PartnerApiResponse answer_of(int status, const char *body);

/* Method, URL, headers and body in lines, to be compared as a whole. */
extern char *request_text(const PartnerApiRequest *request);

/* An action, its answer, and what judge_zapi or another makes of them. */
typedef struct Judgement
{
	PartnerApiAction action;
	PartnerApiResponse response;
	PartnerApiVerdict verdict;
} Judgement;

extern void judge_greenapi(void *judgement);
extern void judge_zapi(void *judgement);

/*
 * A verdict in words: "done" with what it told, or its kind, reason and
 * message; the outcomes of a bulk delete in further lines.
 */
extern char *verdict_text(const PartnerApiVerdict *verdict);

/* Partner token "PARTNER", client token "CLIENT". */
extern const PartnerApiCredential credential;

#endif							/* SUPPORT_H */
