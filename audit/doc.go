// Package audit answers the questions of auditors: what happened, who did it, how a row or a balance came about, and
// reports for finance. Every answer is a fold of the log and of nothing else, bounded twice: by what had taken effect at an
// instant (as of) and by what was recorded up to a position (known at). Asked again with the same bounds it is the same.
//
// Reports read the log in short queries, page by page, and keep sums and no rows: memory grows with what they are summed up by, not with the log.
// That is little, with two exceptions: staff remembers every member for whom somebody did something, and waivers and aging have a sum for each
// reason of a fee, which is any text.
package audit
