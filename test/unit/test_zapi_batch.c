/*-------------------------------------------------------------------------
 *
 * test_zapi_batch.c
 *	  Unit tests of zapi_judge.c: answers to a bulk delete.
 *
 * The shape of this answer is not published.  The tables hold the shapes that
 * it may have; what matters is that no instance is ever taken for deleted, or
 * for kept, on the strength of an answer that does not say so.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define UNKNOWN_BOTH \
	"unknown, lost: provider did not report 2 of 2 instances\n" \
	"A: provider did not report this instance\n" \
	"B: provider did not report this instance"
#define UNKNOWN_B(what_of_a) \
	"unknown, lost: provider did not report 1 of 2 instances\n" \
	"A: " what_of_a "\n" \
	"B: provider did not report this instance"

typedef struct BatchRow
{
	const char *name;
	int			status;
	const char *body;
	const char *expected;
} BatchRow;

static const BatchRow batch_rows[] = {
	{"results with a flag", 200,
		"{'results':[{'id':'A','deleted':true},"
		"{'id':'B','deleted':false,'error':'in trial'}]}",
	"done\nA: done\nB: in trial"},
	{"results in another order, with others", 200,
		"{'results':[{'id':'C','deleted':true},{'id':'B','deleted':true},"
	"{'id':'A','deleted':true}]}", "done\nA: done\nB: done"},
	{"results with success", 200,
		"{'results':[{'instanceId':'A','success':true},"
		"{'instanceId':'B','success':false,'message':'paid'}]}",
	"done\nA: done\nB: paid"},
	{"results with a status", 200,
		"{'instances':[{'id':'A','status':'DELETED'},"
		"{'id':'B','status':'failed'}]}",
	"done\nA: done\nB: provider refused without a reason"},
	{"results with errors alone", 200,
		"{'results':[{'id':'A','error':null,'deleted':true},"
	"{'id':'B','error':'paid'}]}", "done\nA: done\nB: paid"},
	{"bare array", 201,
		"[{'id':'A','success':true},{'id':'B','success':true}]",
	"done\nA: done\nB: done"},
	{"two lists", 200,
		"{'deleted':['A'],'errors':[{'id':'B','error':'paid'}]}",
	"done\nA: done\nB: paid"},
	{"two lists of ids", 200, "{'success':['A'],'failed':['B']}",
	"done\nA: done\nB: provider refused without a reason"},
	{"two lists of objects", 200,
		"{'deleted':[{'id':'B'}],'failed':[{'id':'A','message':'trial'}]}",
	"done\nA: trial\nB: done"},
	{"all refused", 200,
		"{'deleted':[],'errors':[{'id':'A','error':'x'},"
	"{'id':'B','error':'y'}]}", "done\nA: x\nB: y"},
	{"error beside outcomes", 200,
		"{'error':'some were refused','deleted':['A'],'failed':['B']}",
	"done\nA: done\nB: provider refused without a reason"},
	{"element that contradicts its list", 200,
		"{'deleted':['B',{'id':'A','error':'x'}]}",
	"done\nA: x\nB: done"},
	{"instance in both lists", 200,
		"{'deleted':['A','B'],'errors':[{'id':'A','error':'x'}]}",
	"done\nA: x\nB: done"},
	{"instance in both lists, refused first", 200,
		"{'errors':[{'id':'A','error':'x'}],'deleted':['A','B']}",
	"done\nA: x\nB: done"},
	{"one left out", 200, "{'deleted':['A']}", UNKNOWN_B("done")},
	{"one left out, the other refused", 200,
	"{'errors':[{'id':'A','error':'x'}]}", UNKNOWN_B("x")},
	{"one with a status nobody knows", 200,
		"[{'id':'A','deleted':true},{'id':'B','status':'queued'}]",
	UNKNOWN_B("done")},
	{"one with a flag of the wrong type", 200,
		"[{'id':'A','deleted':true},{'id':'B','deleted':'yes'}]",
	UNKNOWN_B("done")},
	{"ids in another case", 200, "{'deleted':['A','b']}", UNKNOWN_B("done")},
	{"list with a name nobody knows", 200, "{'items':['A','B']}",
	UNKNOWN_BOTH},
	{"request sent back", 200,
		"{'instances':[{'id':'A','token':'TA'},{'id':'B','token':'TB'}]}",
	UNKNOWN_BOTH},
	{"nothing about instances", 200, "{'success':true}", UNKNOWN_BOTH},
	{"empty object", 200, "{}", UNKNOWN_BOTH},
	{"empty array", 200, "[]", UNKNOWN_BOTH},
	{"elements of the wrong type", 200, "{'deleted':[1,null,[],{}]}",
	UNKNOWN_BOTH},
	{"empty body", 200, "",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 0"},
	{"page", 200, "<html></html>",
	"unknown, lost: HTTP 200, but text is not valid JSON at byte 1"},
	{"half an answer", 200, "{'deleted':['A',",
	"unknown, lost: HTTP 200, but JSON text ends too early at byte 16"},
	{"string", 200, "'OK'",
	"unknown, lost: HTTP 200, but JSON value is no object"},
	{"error with success", 200, "{'error':'too many'}",
	"failed, refused: too many"},
	{"error with the request sent back", 200,
		"{'error':'too many','instances':[{'id':'A','token':'TA'}]}",
	"failed, refused: too many"},
	{"address not listed", 200, "{'error':'[203.0.113.7] not allowed'}",
	"failed, credential: [203.0.113.7] not allowed"},
	{"refused as a whole", 400, "{'error':'instances is required'}",
	"failed, refused: instances is required"},
	{"unknown path", 404, "",
	"failed, not found: HTTP 404 with an empty body"}
};

static void
test_batch(const void *data)
{
	const BatchRow *row = data;
	Judgement	judgement;

	judgement.action = action_of(PARTNER_API_DELETE_INSTANCES,
								 "{'instance_ids':['A','B']}");
	judgement.response = answer_of(row->status, row->body);
	judge_zapi(&judgement);
	assert_text(verdict_text(&judgement.verdict), row->expected);
}

static void
test_batch_without_memory(const void *unused)
{
	Judgement	judgement;

	judgement.action = action_of(PARTNER_API_DELETE_INSTANCES,
								 "{'instance_ids':['A','B','C']}");
	judgement.response = answer_of(200, "{'deleted':['A'],'failed':['B']}");
	assert_survives_no_memory(judge_zapi, &judgement);
}

int
main(void)
{
	add_table(test_batch, batch_rows);
	add_test("bulk delete without memory", test_batch_without_memory);
	return run_suite("zapi batch");
}
