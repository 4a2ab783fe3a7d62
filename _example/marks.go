package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

// liveMark is a mark as Redis holds it, and how long it will still live.
type liveMark struct {
	Key    string `json:"key"`
	Token  string `json:"token"`
	MSLeft int64  `json:"msLeft"`
}

// listMarks shows the page what is in Redis. It is for looking only: an app never needs it, and SCAN walks through
// everything that a Redis holds.
func listMarks(rdb *redis.Client, ports []string) gin.HandlerFunc {
	return func(c *gin.Context) {
		marks, err := marksIn(c.Request.Context(), rdb)
		if err != nil {
			c.JSON(http.StatusServiceUnavailable, gin.H{"error": err.Error(), "servedBy": c.GetString("servedBy")})
			return
		}
		c.JSON(http.StatusOK, gin.H{
			"marks":    marks,
			"client":   c.ClientIP(),
			"servers":  ports,
			"servedBy": c.GetString("servedBy"),
		})
	}
}

func marksIn(ctx context.Context, rdb *redis.Client) ([]liveMark, error) {
	var keys []string
	found := rdb.Scan(ctx, 0, "ginlimit:*", 1000).Iterator()
	for found.Next(ctx) {
		keys = append(keys, found.Val())
	}
	slices.Sort(keys)
	marks := []liveMark{}
	for _, key := range slices.Compact(keys) { // SCAN may return a key twice
		more, err := marksOf(ctx, rdb, key)
		if err != nil {
			return nil, err
		}
		marks = append(marks, more...)
	}
	return marks, found.Err()
}

// marksOf reads the marks under one key: a string is the one mark of a limit of 1, a sorted set holds the marks of a
// larger limit by the millisecond in which each ends.
func marksOf(ctx context.Context, rdb *redis.Client, key string) ([]liveMark, error) {
	if kind, err := rdb.Type(ctx, key).Result(); err != nil || kind != "zset" {
		left, err := rdb.PTTL(ctx, key).Result()
		if err != nil || left < 0 { // it ended meanwhile
			return nil, err
		}
		token, _ := rdb.Get(ctx, key).Result()
		return []liveMark{{key, token, left.Milliseconds()}}, nil
	}

	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, err
	}
	live := &redis.ZRangeBy{Min: strconv.FormatInt(now.UnixMilli(), 10), Max: "+inf"}
	members, err := rdb.ZRangeByScoreWithScores(ctx, key, live).Result()
	var marks []liveMark
	for _, member := range members {
		token, _ := member.Member.(string)
		marks = append(marks, liveMark{key, token, int64(member.Score) - now.UnixMilli()})
	}
	return marks, err
}
