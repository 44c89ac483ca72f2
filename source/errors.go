package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"dxfproxy/dxf"
)

// Second holes of error 8160, TiDB's words.
const (
	checkLocation = "Please check the file location is correct"
	whileWalking  = "failed to walk dir"
)

// invalidURI is 8158: the location is wrong whatever the world looks like.
func invalidURI(format string, args ...any) *dxf.Error {
	return &dxf.Error{
		Code: 8158, State: "HY000", Class: "executor",
		Message: fmt.Sprintf("The URI of data source is invalid. Reason: %s. Please provide a valid URI, such as "+
			"'s3://import/test.csv?access-key={your_access_key_id ID}"+
			"&secret-access-key={your_secret_access_key}&session-token={your_session_token}'",
			MaskText(fmt.Sprintf(format, args...))),
	}
}

// noAccess is 8159: nobody let us in.
func noAccess(reason string) *dxf.Error {
	return &dxf.Error{
		Code: 8159, State: "HY000", Class: "executor",
		Message: fmt.Sprintf("Access to the data source has been denied. Reason: %s. "+
			"Please check the URI, access key and secret access key are correct", reason),
	}
}

// cantRead is 8160: the files are not there, or what is there cannot be read.
func cantRead(reason, advice string) *dxf.Error {
	return &dxf.Error{
		Code: 8160, State: "HY000", Class: "executor",
		Message: fmt.Sprintf("Failed to read source files. Reason: %s. %s", reason, advice),
	}
}

// What a store may say of a request. The stores' clients wrap these around the
// answers they get; everything else is a request that got none, or none of a store.
var (
	errDenied  = errors.New("denied")
	errMissing = errors.New("missing")
	errChanged = errors.New("changed")
	errRange   = errors.New("range not satisfiable")
	errRefused = errors.New("refused") // for good, and none of the above
)

// A storeError is an answer of a store: what it means to us, and its words.
type storeError struct {
	kind error // one of the above, nil for one that may pass
	text string
	err  error
}

func (e *storeError) Error() string   { return e.text }
func (e *storeError) Unwrap() []error { return []error{e.kind, e.err} }

func (e *storeError) permanent() bool { return e.kind != nil }

// passing is an error that another attempt, later, may not meet.
type passing struct{ said *dxf.Error }

func (e *passing) Error() string { return e.said.Error() }
func (e *passing) Unwrap() error { return e.said }

// Retryable says whether the same call may succeed later: the network or the
// store failed, and not the location, the rights or the file.
func Retryable(err error) bool {
	var p *passing
	return errors.As(err, &p)
}

// notThere is all that a client is told of an address that was refused, did not
// answer, or did not answer as a store does: a node is no port scanner.
const notThere = "no object store that this node may ask was found at the address; its log says more, " +
	"and --import-endpoints lists what it may ask"

// unreachable is the error of such an address. The log of the node has the reason,
// and only whether another attempt is worth it depends on that.
func (s *Source) unreachable(err error) error {
	if errors.Is(err, errListMemory) {
		return &passing{cantRead(fmt.Sprintf("%s: %v", s.at.uri, errListMemory), whileWalking)}
	}
	s.policy.tell("the object store of an import was not found", s, s.reason(err))
	if errors.Is(err, errNotAllowed) {
		return noAccess(notThere)
	}
	return &passing{noAccess(notThere)}
}

// hint says what is missing where nobody said who we are.
func (s *Source) hint(err error) string {
	if s.anonymous && errors.Is(err, errDenied) {
		return "; " + noCredentials
	}
	return ""
}

// noCredentials is for a location that has none, and that may not have the node's.
const noCredentials = "the location has no credentials, and those of the node are for locations in --import-ambient-credentials only"

// ownError is why the credentials of the node cannot be used: the operator's
// affair, told in the log.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

// noOwn is what the client is told of it.
const noOwn = "the node has no credentials of its own that can be used here; its log says why"

// clientError turns an error of a store into one for clients. The context's own
// end stays what it is. Path names the file, or is empty.
func (s *Source) clientError(ctx context.Context, err error, path, advice string) error {
	var known *dxf.Error
	var said *storeError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known):
		return err
	case !errors.As(err, &said):
		return s.unreachable(err)
	}
	text := s.reason(err)
	if path != "" {
		text = s.name(path) + ": " + text
	}
	switch {
	case errors.Is(err, errDenied):
		return noAccess(text + s.hint(err))
	case said.permanent():
		return cantRead(text, advice)
	}
	return &passing{cantRead(text, advice)}
}

// readError is clientError for a file that is being read: the store was there
// when the file was listed.
func (s *Source) readError(ctx context.Context, err error, path string) error {
	var known *dxf.Error
	var said *storeError
	if ctx.Err() != nil || errors.As(err, &known) || errors.As(err, &said) {
		return s.clientError(ctx, err, path, checkLocation)
	}
	s.policy.tell("a file of an import could not be read", s, s.name(path)+": "+s.reason(err))
	return &passing{cantRead(s.name(path)+": the object store does not answer any more", checkLocation)}
}

// reason is the text of an error without what must not be shown: addresses of
// requests carry signatures, and stores may repeat what they were sent.
func (s *Source) reason(err error) string {
	text := err.Error()
	var request *url.Error
	if errors.As(err, &request) {
		text = strings.ReplaceAll(text, request.Error(), requestText(request))
	}
	text = strings.Join(strings.Fields(MaskText(text)), " ")
	for _, secret := range s.at.secrets() {
		if len(secret) >= 4 {
			text = strings.ReplaceAll(text, secret, masked)
		}
	}
	return strings.TrimSuffix(short(text), ".")
}

// requestText is the text of a request that got no answer, without the
// parameters of its address.
func requestText(err *url.Error) string {
	u, parseErr := url.Parse(err.URL)
	if parseErr != nil {
		return fmt.Sprintf("%s: %v", err.Op, err.Err)
	}
	u.RawQuery, u.User = "", nil
	return fmt.Sprintf("%s %s: %v", err.Op, u, err.Err)
}
