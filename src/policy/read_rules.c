/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about system calls.
 *
 *	allow|log|kill|deny [ERRNO]|deny-quiet [ERRNO]  CALL|@GROUP...  [when COND [and COND]...]
 *	COND is ARGUMENT[:64] [& MASK] OPERATOR VALUE
 */
#include <stdio.h>
#include <string.h>

#include "policy/policy_internal.h"

#define WRITABLE(type, list) ((type *)(uintptr_t)(list))

/* A piece of a condition: a word, or a part of one. */
struct token {
	char text[256];
	struct policy_word at;
};

#define TOKENS_MAX 64

struct tokens {
	struct token list[TOKENS_MAX];
	size_t count, next;
};

/* One line of rules, before it is spread over its calls. */
struct line {
	struct policy_verdict verdict;
	size_t first, last; /* words that name calls: [first, last) */
	struct tokens *tokens;
};

/* In the order of enum policy_action. */
static const char *const action_words[] = {"allow", "log", "deny", "deny-quiet", "kill", NULL};

static bool is_errno_word(const char *text)
{
	return text[0] == 'E' && text[1] >= '0' && text[1] <= 'Z';
}

static int take_errno(struct policy_reader *r, const struct policy_word *w, uint16_t *ret)
{
	struct policy_nearest n = {.word = w->text};
	int num = policy_errno_find(w->text);

	if (num > 0) {
		*ret = (uint16_t)num;
		return 0;
	}
	for (size_t i = 0; policy_errno_at(i); i++)
		policy_nearest_try(&n, policy_errno_at(i));
	if (n.best)
		return policy_complain(r, w, "no error '%.40s': did you mean '%s'?", w->text,
				       n.best);
	return policy_complain(r, w, "no error '%.40s': see errno(3)", w->text);
}

static struct policy_verdict verdict_of(enum policy_action action)
{
	bool refuses = action == POLICY_DENY || action == POLICY_DENY_QUIET;

	return (struct policy_verdict){.action = (uint8_t)action, .err = refuses ? EPERM : 0};
}

int policy_take_default(struct policy_reader *r)
{
	int action = policy_pick(r, &r->words[1], "action", action_words), n;
	struct policy_verdict v;

	if (action < 0)
		return action;
	v = verdict_of((enum policy_action)action);
	if (r->count == 3 && !v.err)
		return policy_complain(r, &r->words[2], "'%s' takes no error",
				       action_words[action]);
	if (r->count == 3) {
		n = take_errno(r, &r->words[2], &v.err);
		if (n < 0)
			return n;
	}
	r->p->fallback = v;
	policy_note(r, POLICY_KEY_RULE, &r->words[0]);
	return 0;
}

static int add_token(struct policy_reader *r, struct tokens *t, const struct policy_word *w,
		     const char *text, size_t n)
{
	struct token *k = &t->list[t->count];

	if (t->count == TOKENS_MAX)
		return policy_complain(r, w, "too long a condition");
	if (n >= sizeof(k->text))
		return policy_complain(r, w, "'%.40s...' is too long a word", text);
	memcpy(k->text, text, n);
	k->text[n] = '\0';
	k->at = *w;
	k->at.column += (unsigned)(text - w->text);
	t->count++;
	return 0;
}

/* Operators need no blanks around them. */
static int split(struct policy_reader *r, const struct policy_word *w, struct tokens *t)
{
	const char *at = w->text;
	int ret = 0;

	while (*at && ret == 0) {
		size_t n = strcspn(at, "&=!<>");

		if (n == 0)
			n = at[0] != '&' && at[1] == '=' ? 2 : 1;
		ret = add_token(r, t, w, at, n);
		at += n;
	}
	return ret;
}

static const struct token *peek(const struct tokens *t)
{
	return t->next < t->count ? &t->list[t->next] : NULL;
}

static int number_of(const char *text, uint64_t *ret)
{
	uint64_t v = 0;
	int base = 10;

	if (text[0] == '0' && (text[1] | 0x20) == 'x') {
		base = 16;
		text += 2;
	} else if (text[0] == '0' && text[1]) {
		base = 8;
		text++;
	}
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		int digit = *text >= '0' && *text <= '9' ? *text - '0'
			    : (*text | 0x20) >= 'a' && (*text | 0x20) <= 'f'
				    ? (*text | 0x20) - 'a' + 10
				    : 99;

		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit, &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

/* One of the parts between "|": a number, "-1", "~0xff", a constant's name. */
static int part_value(const char *part, uint64_t *ret)
{
	bool invert = *part == '~', negative = *part == '-';
	const char *text = part + (invert || negative);
	int e = *text >= '0' && *text <= '9' ? number_of(text, ret) : policy_value_find(text, ret);

	if (e < 0)
		return *text ? e : -EINVAL;
	if (invert)
		*ret = ~*ret;
	if (negative)
		*ret = -*ret;
	return 0;
}

int policy_value(const char *text, uint64_t *ret)
{
	char copy[256], *save = NULL;
	uint64_t all = 0, v = 0;

	if (!*text || strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);
	for (char *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		if (part_value(part, &v) < 0)
			return -EINVAL;
		all |= v;
	}
	*ret = all;
	return 0;
}

static int value_of_part(struct policy_reader *r, const struct token *k, const char *part,
			 uint64_t *ret)
{
	const char *text = part + (*part == '~' || *part == '-');
	struct policy_nearest n = {.word = text};
	int e = part_value(part, ret);

	if (e == -ERANGE)
		return policy_complain(r, &k->at, "'%s' does not fit 64 bits", part);
	if (e == -EINVAL)
		return policy_complain(r, &k->at, "'%s' is no number", part);
	if (e < 0) {
		for (size_t i = 0; policy_value_at(i); i++)
			policy_nearest_try(&n, policy_value_at(i));
		return policy_complain(r, &k->at, "no constant '%s': %s%s%s", text,
				       n.best ? "did you mean '" : "write the number",
				       n.best ? n.best : "", n.best ? "'?" : "");
	}
	return 0;
}

/* @wide: of 64 bits, else what does not fit 32 is an error */
static int take_value(struct policy_reader *r, const struct token *k, bool wide, uint64_t *ret)
{
	char text[sizeof(k->text)], *save = NULL;
	uint64_t all = 0, v = 0;
	int n;

	memcpy(text, k->text, sizeof(text));
	if (!*text || *text == '|' || text[strlen(text) - 1] == '|')
		return policy_complain(r, &k->at, "a value is missing");
	for (char *part = strtok_r(text, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		n = value_of_part(r, k, part, &v);
		if (n < 0)
			return n;
		all |= v;
	}
	if (!wide && all > UINT32_MAX) {
		/* "-1" and "~0xff" of 32 bits */
		if (all >> 31 != UINT64_MAX >> 31 && !strchr(k->text, '~'))
			return policy_complain(r, &k->at,
					       "'%s' does not fit 32 bits: write the argument "
					       "with ':64'",
					       k->text);
		all &= UINT32_MAX;
	}
	*ret = all;
	return 0;
}

static int take_argument(struct policy_reader *r, const struct token *k, int nr,
			 struct policy_condition *c)
{
	struct policy_nearest near = {.word = k->text};
	char name[sizeof(k->text)];
	size_t n = strcspn(k->text, ":");
	int arg;

	memcpy(name, k->text, sizeof(name));
	name[n] = '\0';
	if (k->text[n] && strcmp(k->text + n, ":64") != 0)
		return policy_complain(r, &k->at, "'%s': only ':64' may follow an argument",
				       k->text);
	c->wide = k->text[n];
	if (strncmp(name, "arg", 3) == 0 && name[3] >= '0' && name[3] <= '5' && !name[4]) {
		c->arg = (uint8_t)(name[3] - '0');
		return 0;
	}
	if (nr < 0)
		return 0; /* a call that this machine does not have */
	arg = policy_argument_find(nr, name);
	if (arg >= 0) {
		c->arg = (uint8_t)arg;
		return 0;
	}
	for (int i = 0; i < 6 && policy_argument(nr, i); i++)
		policy_nearest_try(&near, policy_argument(nr, i));
	return policy_complain(r, &k->at, "%s has no argument '%s': %s%s%s",
			       policy_call_name(nr) ? policy_call_name(nr) : "this call", name,
			       near.best ? "did you mean '" : "arg0 to arg5 always serve",
			       near.best ? near.best : "", near.best ? "'?" : "");
}

static int take_operator(struct policy_reader *r, const struct token *k, uint8_t *ret)
{
	/* in the order of enum policy_compare */
	static const char *const words[] = {"==", "!=", "<", "<=", ">", ">="};

	for (size_t i = 0; i < TT_ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], k->text) != 0)
			continue;
		*ret = (uint8_t)i;
		return 0;
	}
	return policy_complain(r, &k->at, "'%s' is no operator: & == != < <= > >=", k->text);
}

/* What can never be, or is always so, is a mistake. */
static int check_condition(struct policy_reader *r, const struct token *k,
			   const struct policy_condition *c)
{
	bool equal = c->compare == POLICY_EQ || c->compare == POLICY_NE;

	if (equal && c->value & ~c->mask)
		return policy_complain(r, &k->at, "'%s' has bits that the mask takes away",
				       k->text);
	if ((c->compare == POLICY_LT && c->value == 0) ||
	    (c->compare == POLICY_GT && c->value >= c->mask) ||
	    (c->compare == POLICY_GE && c->value > c->mask))
		return policy_complain(r, &k->at, "no argument is that (values have no sign)");
	if ((c->compare == POLICY_GE && c->value == 0) ||
	    (c->compare == POLICY_LE && c->value >= c->mask) ||
	    (c->compare == POLICY_LT && c->value > c->mask))
		return policy_complain(r, &k->at, "every argument is that (values have no sign)");
	return 0;
}

static int take_condition(struct policy_reader *r, struct tokens *t, int nr,
			  const struct policy_word *end, struct policy_condition *c)
{
	const struct token *k = peek(t), *left = k;
	int n;

	*c = (struct policy_condition){0};
	if (!k)
		return policy_complain(r, end, "a condition is missing");
	n = take_argument(r, k, nr, c);
	if (n < 0)
		return n;
	c->mask = c->wide ? UINT64_MAX : UINT32_MAX;
	t->next++;
	k = peek(t);
	if (k && strcmp(k->text, "&") == 0) {
		t->next++;
		k = peek(t);
		if (!k)
			return policy_complain(r, end, "a mask is missing");
		n = take_value(r, k, c->wide, &c->mask);
		if (n < 0)
			return n;
		if (!c->mask)
			return policy_complain(r, &k->at, "a mask of 0 takes everything away");
		t->next++;
		k = peek(t);
	}
	if (!k)
		return policy_complain(r, end, "what of '%s'? An operator and a value are missing",
				       left->text);
	n = take_operator(r, k, &c->compare);
	if (n < 0)
		return n;
	t->next++;
	k = peek(t);
	if (!k)
		return policy_complain(r, end, "a value is missing");
	n = take_value(r, k, c->wide, &c->value);
	if (n == 0)
		n = check_condition(r, k, c);
	t->next++;
	return n;
}

static int take_conditions(struct policy_reader *r, struct tokens *t, int nr,
			   struct policy_rule *rule)
{
	const struct policy_word *end = &r->words[r->count - 1];
	const struct token *k;
	int n;

	rule->condition_count = 0;
	if (!t->count)
		return 0;
	t->next = 0;
	for (;;) {
		if (rule->condition_count == POLICY_CONDITIONS_MAX)
			return policy_complain(r, end, "more than %d conditions",
					       POLICY_CONDITIONS_MAX);
		n = take_condition(r, t, nr, end, &rule->conditions[rule->condition_count]);
		if (n < 0)
			return n;
		rule->condition_count++;
		k = peek(t);
		if (!k)
			return 0;
		if (strcmp(k->text, "and") != 0)
			return policy_complain(r, &k->at,
					       "'%s' behind a condition: only 'and' may follow",
					       k->text);
		t->next++;
	}
}

static int put_rule(struct policy_reader *r, const struct policy_word *w, int nr,
		    const struct line *l)
{
	struct policy *p = r->p;
	struct policy_rule rule = {.nr = nr, .verdict = l->verdict};
	int n = take_conditions(r, l->tokens, nr, &rule);

	if (n < 0 || nr < 0)
		return n;
	n = policy_grow(r, w, &p->rules, p->rule_count, POLICY_RULES_MAX, sizeof(rule), "rules");
	if (n == 0)
		n = policy_grow(r, w, &p->rule_places, p->rule_count, POLICY_RULES_MAX,
				sizeof(*p->rule_places), "rules");
	if (n < 0)
		return n;
	WRITABLE(struct policy_rule, p->rules)[p->rule_count] = rule;
	WRITABLE(struct policy_place, p->rule_places)
	[p->rule_count] = (struct policy_place){r->source->name, w->line, w->column};
	p->rule_count++;
	return 0;
}

static int put_group(struct policy_reader *r, const struct policy_word *w, const struct line *l)
{
	struct policy_nearest near = {.word = w->text + 1};
	int group = policy_group_find(w->text + 1), nr, n = 0;
	size_t state = 0;

	if (group < 0) {
		for (size_t i = 0; policy_group_at(i, NULL); i++)
			policy_nearest_try(&near, policy_group_at(i, NULL));
		return policy_complain(r, w, "no group '%.40s': %s%s%s", w->text,
				       near.best ? "did you mean '@"
						 : "see 'telltale policy list --groups'",
				       near.best ? near.best : "", near.best ? "'?" : "");
	}
	if (l->tokens->count)
		return policy_complain(r, w,
				       "a condition is about one call's arguments: name the "
				       "calls, not a group");
	while (n == 0 && (nr = policy_group_next(group, &state)) >= 0)
		n = put_rule(r, w, nr, l);
	return n;
}

static int put_call(struct policy_reader *r, const struct policy_word *w, const struct line *l)
{
	struct policy_nearest near = {.word = w->text};
	uint64_t number;

	if (*w->text == '@')
		return put_group(r, w, l);
	if (policy_call_is_known(w->text)) {
		int nr = policy_call_number(w->text);

		return put_rule(r, w, nr < 0 ? -1 : nr, l);
	}
	/* a call that has no name here yet */
	if (*w->text >= '0' && *w->text <= '9') {
		int n = policy_take_number(r, w, 0, 0x3fffffff, &number);

		return n < 0 ? n : put_rule(r, w, (int)number, l);
	}
	for (size_t i = 0; policy_call_at(i); i++)
		policy_nearest_try(&near, policy_call_at(i));
	return policy_complain(r, w, "no system call '%.40s': %s%s%s", w->text,
			       near.best ? "did you mean '"
					 : "groups begin with '@', see syscalls(2)",
			       near.best ? near.best : "", near.best ? "'?" : "");
}

int policy_take_rule(struct policy_reader *r)
{
	int action = policy_pick(r, &r->words[0], "action", action_words), n = 0;
	struct tokens tokens; /* large: only what is counted in is read */
	struct line l = {.first = 1, .last = r->count, .tokens = &tokens};

	tokens.count = tokens.next = 0;
	if (action < 0)
		return action;
	l.verdict = verdict_of((enum policy_action)action);
	if (is_errno_word(r->words[1].text)) {
		if (!l.verdict.err)
			return policy_complain(r, &r->words[1], "'%s' takes no error",
					       action_words[action]);
		n = take_errno(r, &r->words[1], &l.verdict.err);
		if (n < 0)
			return n;
		l.first = 2;
	}
	for (size_t i = l.first; i < r->count && l.last == r->count; i++)
		if (strcmp(r->words[i].text, "when") == 0)
			l.last = i;
	if (l.first >= l.last)
		return policy_complain(r, &r->words[l.first - 1], "which calls?");
	for (size_t i = l.last + 1; n == 0 && i < r->count; i++)
		n = split(r, &r->words[i], &tokens);
	if (n == 0 && l.last < r->count && !tokens.count)
		n = policy_complain(r, &r->words[l.last], "when what? A condition is missing");
	policy_note(r, POLICY_KEY_RULE, &r->words[0]);
	for (size_t i = l.first; n == 0 && i < l.last; i++)
		n = put_call(r, &r->words[i], &l);
	return n;
}
