package dispatcher

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/dxf"
)

// An ownerRow is the election's part of a store that answers as a test says.
type ownerRow struct {
	TaskStore
	campaign, renew func(ctx context.Context) error
	campaigns       int
	renews          int
	resigned        []int64
}

func (r *ownerRow) Campaign(ctx context.Context, n dxf.Node) (dxf.Term, error) {
	r.campaigns++
	if r.campaign != nil {
		if err := r.campaign(ctx); err != nil {
			return dxf.Term{}, err
		}
	}
	return dxf.Term{OwnerID: n.ID, UUID: n.UUID, Number: int64(r.campaigns)}, nil
}

func (r *ownerRow) Renew(ctx context.Context, _ dxf.Term) error {
	r.renews++
	if r.renew != nil {
		return r.renew(ctx)
	}
	return nil
}

func (r *ownerRow) Resign(_ context.Context, t dxf.Term) error {
	r.resigned = append(r.resigned, t.Number)
	return nil
}

// elect runs an election over the row and returns, once the first term has
// ended, how long it lasted and why it ended.
func elect(t *testing.T, r *ownerRow) (lasted time.Duration, cause error) {
	ctx, cancel := context.WithCancel(t.Context())
	err := newElection(r, dxf.Node{ID: "n1"}, zap.NewNop()).Run(ctx, func(owner context.Context, term dxf.Term) error {
		require.EqualValues(t, 1, term.Number)
		start := time.Now()
		<-owner.Done()
		lasted, cause = time.Since(start), context.Cause(owner)
		cancel()
		return cause
	})
	require.NoError(t, err)
	return lasted, cause
}

func TestOwnerWhoseRenewalHangsStepsDownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ownerRow{}
		r.renew = func(context.Context) error {
			if r.renews == 1 {
				time.Sleep(time.Second) // trust counts from before this
				return nil
			}
			time.Sleep(time.Minute) // whatever its context says
			return nil
		}
		lasted, cause := elect(t, r)
		// Elected at 0, the renewal that succeeded began at 3 s.
		require.Equal(t, dxf.RenewInterval+dxf.OwnerLease-trustMargin, lasted)
		require.ErrorIs(t, cause, dxf.ErrNotOwner)
		require.Empty(t, r.resigned, "the term may be another's by now")
	})
}

func TestOwnerTriesAgainToRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ownerRow{renew: func(context.Context) error { return errors.New("connection refused") }}
		lasted, cause := elect(t, r)
		require.Equal(t, dxf.OwnerLease-trustMargin, lasted)
		require.ErrorIs(t, cause, dxf.ErrNotOwner)
		require.Greater(t, r.renews, 5)
	})
}

func TestReplacedOwnerStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ownerRow{renew: func(context.Context) error { return dxf.ErrNotOwner }}
		lasted, cause := elect(t, r)
		require.Equal(t, dxf.RenewInterval, lasted)
		require.ErrorIs(t, cause, dxf.ErrNotOwner)
		require.Empty(t, r.resigned)
	})
}

func TestOwnerResignsWhenItsWorkHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ownerRow{}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := newElection(r, dxf.Node{ID: "n1"}, zap.NewNop()).Run(ctx, func(owner context.Context, _ dxf.Term) error {
			<-owner.Done()
			time.Sleep(3 * time.Second) // the last of its acts
			require.Empty(t, r.resigned)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []int64{1}, r.resigned)
		require.Equal(t, 1, r.campaigns)
	})
}

// Work that ends by itself gives the term up, and the node is a candidate again.
func TestOwnerElectedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ownerRow{campaign: func(context.Context) error { return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var terms []int64
		err := newElection(r, dxf.Node{ID: "n1"}, zap.NewNop()).Run(ctx, func(_ context.Context, term dxf.Term) error {
			if terms = append(terms, term.Number); len(terms) == 3 {
				cancel()
			}
			return errors.New("the store is in a state nobody knows")
		})
		require.NoError(t, err)
		require.Equal(t, []int64{1, 2, 3}, terms)
		require.Equal(t, []int64{1, 2, 3}, r.resigned)
	})
}

func TestCandidateCampaignsUntilElected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ownerRow{}
		r.campaign = func(context.Context) error {
			if r.campaigns < 5 {
				return dxf.ErrNotOwner
			}
			return nil
		}
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		err := newElection(r, dxf.Node{ID: "n1"}, zap.NewNop()).Run(ctx, func(context.Context, dxf.Term) error {
			cancel()
			return nil
		})
		require.NoError(t, err)
		require.InDelta(t, 9*time.Second, time.Since(start), float64(time.Second))
	})
}
