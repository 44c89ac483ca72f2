package dispatcher

import "context"

type waitingKey struct{}

// WithWaiting gives an Extension's Plan and OnDone, which run under the context
// returned, a way to say what they wait for; see Waiting.
func WithWaiting(ctx context.Context, tell func(waiting string) error) context.Context {
	return context.WithValue(ctx, waitingKey{}, tell)
}

// Waiting notes on the job of the task in hand what it waits for; "" for nothing
// any more. The note is written under the owner's term: an error means that it
// was not, and is dxf.ErrNotOwner when the term is over.
func Waiting(ctx context.Context, waiting string) error {
	if tell, ok := ctx.Value(waitingKey{}).(func(string) error); ok {
		return tell(waiting)
	}
	return nil
}
