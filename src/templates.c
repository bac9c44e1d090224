/*-------------------------------------------------------------------------
 *
 * templates.c
 *	  Texts with placeholders: what a business mails to its customers.
 *
 * A placeholder is a name in braces, {name}.  A brace is written twice, {{
 * or }}.  Values are inserted as they are and never looked at again, so a
 * name with braces in it is a name with braces.
 *
 * A line that has placeholders and a value for none of them is left out: the
 * line of the Pix code of what cannot be paid by Pix, with its label.  So is
 * an empty line that would then follow another, or stand at the beginning or
 * the end.
 *
 * Bytes are compared, which every encoding of a database allows: in none of
 * them is a part of a longer character an ASCII one.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(partner_api_template_placeholders);
PG_FUNCTION_INFO_V1(partner_api_fill_template);

/* What a template is made of. */
typedef enum PieceKind
{
	PIECE_END,
	PIECE_TEXT,
	PIECE_PLACEHOLDER,
	PIECE_LINE_END,
	PIECE_STRAY_BRACE
} PieceKind;

/* The next of them, within the template. */
typedef struct Piece
{
	PieceKind	kind;
	const char *start;			/* of the text, or of the name */
	int			len;
} Piece;

/* A template that is being filled in. */
typedef struct Filling
{
	Jsonb	   *values;			/* by the names of the placeholders */
	bool		html;			/* values are put into HTML */
	bool		one_line;		/* and have no line breaks */
	StringInfoData text;
	StringInfoData line;		/* the one that is being put together */
	int			placeholders;	/* in that line */
	int			values_found;	/* for them */
	bool		left_out;		/* something was, since the last full line */
} Filling;

/* ---- taking apart ---- */

/*
 * Length of the name of a placeholder whose brace stands at str; 0 if none
 * begins there.
 */
static int
name_length(const char *str, const char *end)
{
	const char *c = str + 1;

	while (c < end && (*c == '_' || (*c >= 'a' && *c <= 'z')))
		c++;
	return c < end && *c == '}' ? c - str - 1 : 0;
}

/*
 * Take the next piece of a template.
 */
static Piece
take_piece(const char **template, const char *end)
{
	const char *c = *template;
	Piece		piece = {PIECE_END, c, 0};

	if (c == end)
		return piece;
	piece.len = 1;
	if (*c == '\n')
		piece.kind = PIECE_LINE_END;
	else if ((*c == '{' || *c == '}') && c + 1 < end && c[1] == *c)
	{
		piece.kind = PIECE_TEXT;
		c++;
	}
	else if (*c == '{' && name_length(c, end) > 0)
	{
		piece.kind = PIECE_PLACEHOLDER;
		piece.start = c + 1;
		piece.len = name_length(c, end);
		c += piece.len + 1;
	}
	else if (*c == '{' || *c == '}')
		piece.kind = PIECE_STRAY_BRACE;
	else
	{
		piece.kind = PIECE_TEXT;
		while (c + 1 < end && strchr("{}\n", c[1]) == NULL)
			c++;
		piece.len = c - piece.start + 1;
	}
	*template = c + 1;
	return piece;
}

/*
 * Raise ERROR for a brace that belongs to no placeholder.  Other systems have
 * {{name}}, which would be the text "{name}" here.
 */
static void
check_piece(const Piece *piece, const char *end)
{
	int			len;

	if (piece->kind == PIECE_STRAY_BRACE)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("a brace in the template belongs to no placeholder"),
				errdetail("From there on the text is \"%.*s\".",
						  pg_mbcliplen(piece->start, end - piece->start, 40),
						  piece->start),
				errhint("A placeholder is a name in braces, such as {name}; a brace itself is written twice."));
	len = piece->kind == PIECE_TEXT && *piece->start == '{' ?
		name_length(piece->start + 1, end) : 0;
	if (len > 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("a placeholder in the template has two braces on each side"),
				errdetail("Its name is \"%.*s\".", len, piece->start + 2),
				errhint("Write {%.*s}.", len, piece->start + 2));
}

/*
 * SQL: template_placeholders(template): the names in it, in their order.
 * Raises ERROR for a stray brace.
 */
Datum
partner_api_template_placeholders(PG_FUNCTION_ARGS)
{
	text	   *template = PG_GETARG_TEXT_PP(0);
	const char *next = VARDATA_ANY(template);
	const char *end = next + VARSIZE_ANY_EXHDR(template);
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext,
											 false);
	Piece		piece;

	while ((piece = take_piece(&next, end)).kind != PIECE_END)
	{
		check_piece(&piece, end);
		if (piece.kind == PIECE_PLACEHOLDER)
			accumArrayResult(names,
							 PointerGetDatum(cstring_to_text_with_len(piece.start,
																	  piece.len)),
							 false, TEXTOID, CurrentMemoryContext);
	}
	PG_RETURN_DATUM(makeArrayResult(names, CurrentMemoryContext));
}

/* ---- filling in ---- */

/*
 * The value of a placeholder, palloc'd; NULL if there is none, or it is
 * empty.
 */
static char *
find_value(const Filling *filling, const Piece *piece)
{
	JsonbValue	found;
	char	   *value;

	if (getKeyJsonValueFromContainer(&filling->values->root, piece->start,
									 piece->len, &found) == NULL)
		return NULL;
	if (found.type == jbvNumeric)
		value = DatumGetCString(DirectFunctionCall1(numeric_out,
													NumericGetDatum(found.val.numeric)));
	else if (found.type == jbvString)
		value = pnstrdup(found.val.string.val, found.val.string.len);
	else
		return NULL;
	return *value == '\0' ? NULL : value;
}

/*
 * Append a value to the line, so that HTML shows it as it is.
 */
static void
append_escaped(StringInfo line, const char *value)
{
	for (; *value != '\0'; value++)
	{
		switch (*value)
		{
			case '&':
				appendStringInfoString(line, "&amp;");
				break;
			case '<':
				appendStringInfoString(line, "&lt;");
				break;
			case '>':
				appendStringInfoString(line, "&gt;");
				break;
			case '"':
				appendStringInfoString(line, "&quot;");
				break;
			case '\'':
				appendStringInfoString(line, "&#39;");
				break;
			default:
				appendStringInfoCharMacro(line, *value);
		}
	}
}

/*
 * Insert the value of a placeholder, if there is one.
 */
static void
insert_value(Filling *filling, const Piece *piece)
{
	char	   *value = find_value(filling, piece);

	filling->placeholders++;
	if (value == NULL)
		return;
	filling->values_found++;
	for (char *c = value; filling->one_line && *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ' || *c == 0x7F)
			*c = ' ';
	}
	if (filling->html)
		append_escaped(&filling->line, value);
	else
		appendStringInfoString(&filling->line, value);
}

/*
 * Does the text end with an empty line, or is it empty?
 */
static bool
ends_blank(const StringInfoData *text)
{
	return text->len == 0 ||
		(text->len > 1 && text->data[text->len - 1] == '\n' &&
		 text->data[text->len - 2] == '\n');
}

/*
 * The line is over: add it to the text, or leave it out.
 */
static void
end_line(Filling *filling)
{
	StringInfo	line = &filling->line;
	bool		blank = (int) strspn(line->data, " \t") == line->len;

	if (filling->placeholders > 0 ? filling->values_found == 0 :
		blank && filling->left_out && ends_blank(&filling->text))
		filling->left_out = true;
	else
	{
		appendBinaryStringInfo(&filling->text, line->data, line->len);
		appendStringInfoChar(&filling->text, '\n');
		filling->left_out = filling->left_out && blank;
	}
	resetStringInfo(line);
	filling->placeholders = 0;
	filling->values_found = 0;
}

/*
 * The last line is over: it has no line break behind it, nor have the lines
 * before those at the end that were left out.
 */
static void
end_text(Filling *filling)
{
	StringInfo	text = &filling->text;

	end_line(filling);
	if (!filling->left_out && text->len > 0)
		text->data[--text->len] = '\0';
	while (filling->left_out && text->len > 0 &&
		   strchr("\n\t ", text->data[text->len - 1]) != NULL)
		text->data[--text->len] = '\0';
}

/*
 * SQL: fill_template(template, values, html, one_line).  A stray brace, which
 * no template has that was checked, is a brace.
 */
Datum
partner_api_fill_template(PG_FUNCTION_ARGS)
{
	text	   *template = PG_GETARG_TEXT_PP(0);
	const char *next = VARDATA_ANY(template);
	const char *end = next + VARSIZE_ANY_EXHDR(template);
	Filling		filling = {
		.values = PG_GETARG_JSONB_P(1),
		.html = PG_GETARG_BOOL(2),
		.one_line = PG_GETARG_BOOL(3)
	};
	Piece		piece;

	initStringInfo(&filling.text);
	initStringInfo(&filling.line);
	while ((piece = take_piece(&next, end)).kind != PIECE_END)
	{
		if (piece.kind == PIECE_LINE_END)
			end_line(&filling);
		else if (piece.kind == PIECE_PLACEHOLDER)
			insert_value(&filling, &piece);
		else
			appendBinaryStringInfo(&filling.line, piece.start, piece.len);
	}
	end_text(&filling);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(filling.text.data,
											  filling.text.len));
}
