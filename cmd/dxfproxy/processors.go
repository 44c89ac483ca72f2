package main

import (
	"context"
	"math"
	"os"
	"runtime"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// processors decides how many processors Go's scheduler may use (GOMAXPROCS).
//
// A relay is woken for every packet, and each time the scheduler wakes threads
// for its other processors, which find nothing to do. So it gets as many as keep
// up with the load, and no fewer than two: what one client or a job asks for
// must not stand in the way of the others.
type processors struct {
	now, most int
	quiet     int // how many looks in a row found one too many
}

// processorsLeast cost a lone client nothing, and are a fifth faster than one at
// 4 to 64 clients.
const processorsLeast = 2

const (
	processorsLook = 100 * time.Millisecond
	// processorsFull is the share of their time from which clients begin to
	// wait for one another.
	processorsFull = 0.9
	// processorsSpare is the share of one fewer that the load must stay under,
	// for processorsQuiet looks.
	processorsSpare = 0.8
	processorsQuiet = 20
)

// next is how many there should be, used being how many were busy on the average
// since the last look.
func (p *processors) next(used float64) int {
	switch {
	case used > processorsFull*float64(p.now):
		// What is used up tells less than what is wanted.
		p.now, p.quiet = max(p.now+1, int(math.Ceil(used/processorsSpare))), 0
	case used < processorsSpare*float64(p.now-1):
		if p.quiet++; p.quiet >= processorsQuiet {
			p.now, p.quiet = p.now-1, 0
		}
	default:
		p.quiet = 0
	}
	p.now = min(max(p.now, processorsLeast), p.most)
	return p.now
}

// steerProcessors sets the number until ctx ends, and then as it was. A number
// in the environment is left alone.
func steerProcessors(ctx context.Context, log *zap.Logger) {
	most := runtime.GOMAXPROCS(0)
	if most <= processorsLeast || os.Getenv("GOMAXPROCS") != "" {
		return
	}
	defer runtime.GOMAXPROCS(most)
	p := processors{now: most, most: most}
	tick := time.NewTicker(processorsLook)
	defer tick.Stop()
	began, busy := time.Now(), processorTime()
	for now := p.now; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at, used := time.Now(), processorTime()
		want := p.next((used - busy).Seconds() / at.Sub(began).Seconds())
		began, busy = at, used
		if want != now {
			runtime.GOMAXPROCS(want)
			log.Debug("processors", zap.Int("from", now), zap.Int("to", want))
			now = want
		}
	}
}

// processorTime is what this process has used, getrusage(2).
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
