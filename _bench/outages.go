package main

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// outages is a log handler that writes nothing. It counts the times that ginlimit found Redis away (its only errors):
// such a measurement would flatter it.
type outages struct{ slog.Handler }

var outagesSeen atomic.Int64

func (outages) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (outages) Handle(context.Context, slog.Record) error {
	outagesSeen.Add(1)
	return nil
}

func (o outages) WithAttrs([]slog.Attr) slog.Handler { return o }

func (o outages) WithGroup(string) slog.Handler { return o }
