package marks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

func TestRepliesOfAnUnexpectedShapeDecideNothing(t *testing.T) {
	odd := [][]any{
		{}, {int64(1)}, {int64(1), int64(2)}, {int64(1), int64(2), "3"}, {"1", int64(2), int64(3)}, {int64(1), "2", int64(3)},
		{int64(2), int64(0), int64(1)}, {int64(-1), int64(0), int64(1)}, {int64(1), int64(-1), int64(1)},
		{int64(1), int64(1001), int64(0)}, {int64(0), int64(0), int64(-1)}, {int64(0), int64(0), int64(1002)},
		{int64(0), int64(1), int64(0)}, {int64(1), int64(0), int64(0)}, {int64(1), int64(1), int64(1)},
		{int64(1), nil, int64(0)}, {int64(1), 1.5, int64(0)},
	}
	limits := []int64{3, 1000}
	for _, limit := range limits {
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Second})
		tail := []any{}
		replies := []any{nil, "OK", int64(1)}
		if r.shape.undoing(markOf("key", limit, 1)).Commands[0].Name() == "evalsha" {
			tail = []any{"77@1", int64(1)}
			fine := []any{int64(1), int64(2), int64(0)}
			for _, odd := range [][]any{{}, {"77@1"}, {int64(1), int64(1)}, {"77@1", "1"}, {"77@1", int64(1), int64(1)}} {
				replies = append(replies, append(fine[:3:3], odd...))
			}
		}
		for _, values := range odd {
			if limit == 3 && len(values) > 1 && values[1] == int64(1001) {
				values = []any{values[0], int64(4), values[2]}
			}
			replies = append(replies, append(values[:len(values):len(values)], tail...))
		}
		for _, reply := range replies {
			m := markOf("key", limit, 1)
			d := &scriptedDoer{replies: [][]any{{reply}, {reply}}}
			v, _ := r.take(t.Context(), d, m, Terms{Wait: patient})
			assert.Equal(t, Verdict{Err: errReply}, v, "%d: %v", limit, reply)
			assert.Equal(t, Verdict{Err: errReply}, r.peek(t.Context(), d, m, Terms{Wait: patient}), "%v", reply)
			assert.Empty(t, m.inRedis)
		}
		read := func(values ...any) Verdict {
			d := &scriptedDoer{replies: [][]any{{append(values, tail...)}}}
			v, _ := r.take(t.Context(), d, markOf("key", limit, 1), Terms{Wait: patient})
			return v
		}
		assert.Equal(t, Verdict{Answer: Granted, Held: true, Remaining: 2}, read(int64(1), int64(2), int64(0)))
		assert.Equal(t, Verdict{Answer: Refused, Wait: 1001 * time.Millisecond, Lasts: time.Second}, read(int64(0), int64(0), int64(1001)))
		assert.Equal(t, Verdict{Answer: Refused, Wait: time.Millisecond}, read(int64(0), int64(0), int64(1)))
	}
}

func TestErrorRepliesDecideNothing(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	for _, limit := range []int64{1, 2, 1000} {
		client.Del(t.Context(), "key")
		s := storeIn(client, Policy{Limit: limit, Interval: time.Minute})
		if limit == 1 {
			require.NoError(t, client.SAdd(t.Context(), "key", 1).Err())
			v := s.take(markOf("key", 1, 1))
			assert.ErrorContains(t, v.Err, "WRONGTYPE", "what is there is nobody's mark")
			assert.Equal(t, Unanswered, v.Answer)
		} else {
			require.NoError(t, client.Set(t.Context(), "key", "x", 0).Err())
			v := s.take(markOf("key", limit, 1))
			assert.ErrorContains(t, v.Err, "WRONGTYPE")
			assert.Equal(t, Unanswered, v.Answer)
			assert.ErrorContains(t, s.undo(markOf("key", limit, 1)), "WRONGTYPE")
		}
		assert.ErrorContains(t, s.peek(markOf("key", limit, 1)).Err, "WRONGTYPE")
	}
}

// Words of Redis 6.2, 7.0 and 7.2.
func TestScriptsRefusedSpec(t *testing.T) {
	for text, want := range map[string]bool{
		"NOPERM this user has no permissions to run the 'evalsha' command or its subcommand":                                          true,
		"NOPERM this user has no permissions to run the 'evalsha' command":                                                            true,
		"NOPERM User app has no permissions to run the 'eval' command":                                                                true,
		"ERR unknown command `evalsha`, with args beginning with: ":                                                                   true,
		"ERR unknown command 'EVALSHA', with args beginning with: ":                                                                   true,
		"ERR unknown command 'eval'":                                                                                                  true,
		"ERR Error running script (call to f_1): @user_script:1: The user executing the script can't run this command or subcommand ": true,
		"ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:1.":                        true,
		"ERR ACL failure in script: User app has no permissions to run the 'lindex' command script: 1, on @user_script:1.":            true,
		"ERR Unknown Redis command called from script script: 1, on @user_script:1.":                                                  true,
		"ERR Error running script (call to f_1): @user_script:1: Unknown Redis command called from Lua script ":                       true,

		"NOPERM this user has no permissions to access one of the keys used as arguments":                            false,
		"NOPERM No permissions to access a key":                                                                      false,
		"NOPERM User app has no permissions to access the 'eval' key":                                                false,
		"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments": false,
		"ERR ACL failure in script: No permissions to access a key script: 1, on @user_script:1.":                    false,
		"NOPERM this user has no permissions to run the 'set' command":                                               false,
		"ERR unknown command 'getex', with args beginning with: 'eval' ":                                             false,
		"OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:1.":                      false,
		"WRONGTYPE Operation against a key holding the wrong kind of value script: 1, on @user_script:1.":            false,
		"READONLY You can't write against a read only replica. script: 1, on @user_script:1.":                        false,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.":                     false,
		"NOSCRIPT No matching script. Please use EVAL.":                                                              false,
		"LOADING Redis is loading the dataset in memory":                                                             false,
		"ginlimit: Redis sent no answer within the timeout":                                                          false,
	} {
		assert.Equal(t, want, scriptsRefused(errors.New(text)), text)
	}
}

func TestScriptsRefusedByARealRedis(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	for name, row := range map[string]struct {
		rules string
		want  bool
	}{
		"no scripts":          {"~* +@all -@scripting", true},
		"nothing within them": {"~* +@all -lindex -zrange", true},
		"no such keys":        {"~other* +@all", false},
	} {
		rules := append([]any{"acl", "setuser", "app", "reset", "on", ">secret"}, words(row.rules)...)
		require.NoError(t, admin.Do(t.Context(), rules...).Err())
		client := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "app", Password: "secret"})
		t.Cleanup(func() { _ = client.Close() })
		for _, limit := range []int64{2, 1000} {
			v := storeIn(client, Policy{Limit: limit, Interval: time.Minute}).take(markOf("key", limit, 1))
			require.Error(t, v.Err)
			assert.Equal(t, row.want, scriptsRefused(v.Err), "%s: %s", name, v.Err)
		}
		v := storeIn(client, Policy{Limit: 1, Interval: time.Minute}).take(markOf("key", 1, 1))
		assert.Equal(t, row.want, v.Err == nil, "a limit of 1 needs none")
		admin.Del(t.Context(), "key")
	}
}

func words(text string) (all []any) {
	for _, word := range strings.Fields(text) {
		all = append(all, word)
	}
	return all
}
