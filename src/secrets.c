/*-------------------------------------------------------------------------
 *
 * secrets.c
 *	  Tokens as they come from options and files.
 *
 * A token file keeps the token itself out of catalogs, dumps, replicas, logs
 * and statistics.  It is looked at at every use, so that a token can be
 * rotated without touching the database, and read again when it has changed.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "servers.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#define MAX_TOKEN_BYTES 65536
/* So many files are remembered: more than one server's user needs. */
#define REMEMBERED_FILES 8
/*
 * A file that was changed so shortly before it was read may be changed again
 * without a later time: file systems count in ticks.
 */
#define SETTLED_AFTER_S 2

/* A token file as it was when it was read. */
typedef struct RememberedFile
{
	char	   *path;			/* NULL: nothing is remembered here */
	struct stat st;
	char	   *token;
} RememberedFile;

static RememberedFile remembered[REMEMBERED_FILES];

/*
 * Refuse a token that cannot be one: empty, or with white space or control
 * characters inside.  "what" names the option; the token is not shown.
 */
void
partner_api_check_token(const char *token, const char *what)
{
	if (*token == '\0')
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("the token from option \"%s\" is empty", what),
				errhint("It must hold the token that the provider gave you, and nothing else."));
	for (const char *p = token; *p != '\0'; p++)
	{
		if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f)
			ereport(ERROR,
					errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					errmsg("the token from option \"%s\" is not a token", what),
					errdetail("It contains white space, a control character or a character outside ASCII."),
					errhint("It must hold the token that the provider gave you, and nothing else."));
	}
}

/* Only the server's own user may be able to read it (or root's group). */
static void
check_file_mode(const char *path, const struct stat *st)
{
	mode_t		forbidden = S_IRWXG | S_IRWXO;

	if (!S_ISREG(st->st_mode))
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("token file \"%s\" is not a regular file", path),
				errhint("Write the token into an ordinary file."));
	if (st->st_uid == 0)
		forbidden = S_IWGRP | S_IXGRP | S_IRWXO;
	else if (st->st_uid != geteuid())
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("token file \"%s\" has the wrong owner", path),
				errhint("It must be owned by the database server's user or by root."));
	if ((st->st_mode & forbidden) != 0)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("token file \"%s\" can be read by others", path),
				errdetail("Its mode is %04o.",
						  (unsigned int) (st->st_mode & 07777)),
				errhint("Run chmod 0600 on it, or 0640 if it is owned by root."));
}

/*
 * Open a token file that is fit to be read.  Not blocking: a FIFO that
 * somebody puts in its place would keep us waiting, deaf to all signals.
 */
static int
open_token_file(const char *path, struct stat *st)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not open token file \"%s\": %m", path),
				errhint("The file must exist on the database server and be readable by its user."));
	if (fstat(fd, st) != 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not stat token file \"%s\": %m", path));
	check_file_mode(path, st);
	return fd;
}

/* Read up to "size" bytes; returns how many there were. */
static size_t
read_all(int fd, const char *path, char *buffer, size_t size)
{
	size_t		len = 0;
	ssize_t		count;

	while (len < size && (count = read(fd, buffer + len, size - len)) != 0)
	{
		if (count < 0)
			ereport(ERROR,
					errcode_for_file_access(),
					errmsg("could not read token file \"%s\": %m", path));
		len += count;
	}
	return len;
}

/* The same file, and not touched in between? */
static bool
is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
		a->st_size == b->st_size && a->st_mode == b->st_mode &&
		a->st_uid == b->st_uid &&
		memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
		memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

/* The token that was in a file which is still the same; NULL: read it. */
static const char *
recall_token(const char *path)
{
	struct stat st;

	for (int i = 0; i < REMEMBERED_FILES; i++)
	{
		const RememberedFile *file = &remembered[i];

		if (file->path != NULL && strcmp(file->path, path) == 0)
			return stat(path, &st) == 0 && is_unchanged(&st, &file->st) ?
				file->token : NULL;
	}
	return NULL;
}

/* Nothing of a forgotten token stays in memory. */
static void
forget(RememberedFile *file)
{
	if (file->path == NULL)
		return;
	explicit_bzero(file->token, strlen(file->token));
	pfree(file->token);
	pfree(file->path);
	file->path = NULL;
}

/* Remember what was read, instead of the oldest or of the same file before. */
static void
remember_token(const char *path, const struct stat *st, const char *token)
{
	static int	oldest = 0;
	RememberedFile *file = NULL;
	char	   *path_copy;

	if (st->st_ctime + SETTLED_AFTER_S > time(NULL))
		return;
	for (int i = 0; i < REMEMBERED_FILES && file == NULL; i++)
	{
		if (remembered[i].path != NULL &&
			strcmp(remembered[i].path, path) == 0)
			file = &remembered[i];
	}
	if (file == NULL)
		file = &remembered[oldest++ % REMEMBERED_FILES];
	forget(file);
	path_copy = MemoryContextStrdup(TopMemoryContext, path);
	file->token = MemoryContextStrdup(TopMemoryContext, token);
	file->st = *st;
	file->path = path_copy;
}

/* Read a file that holds a token, without white space around it. */
static char *
read_token(const char *path, struct stat *st)
{
	int			fd = open_token_file(path, st);
	char	   *token = palloc(MAX_TOKEN_BYTES + 1);
	size_t		len = read_all(fd, path, token, MAX_TOKEN_BYTES + 1);
	char	   *end;

	CloseTransientFile(fd);
	if (len > MAX_TOKEN_BYTES || memchr(token, '\0', len) != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("the content of token file \"%s\" is not a token", path),
				errhint("It must hold the token that the provider gave you, and nothing else."));
	token[len] = '\0';

	end = token + len;
	while (end > token && isspace((unsigned char) end[-1]))
		*--end = '\0';
	while (isspace((unsigned char) *token))
		token++;
	return token;
}

/*
 * The token in a file, palloc'd, without white space around it.  Raises ERROR
 * if the file is missing, empty, too large or readable by others.
 */
char *
partner_api_read_token_file(const char *path)
{
	const char *known = recall_token(path);
	struct stat st;
	char	   *token;

	if (known != NULL)
		return pstrdup(known);
	token = read_token(path, &st);
	remember_token(path, &st, token);
	return token;
}
