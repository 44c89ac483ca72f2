package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// defaultRegion is where a bucket is looked for first.
const defaultRegion = "us-east-1"

// s3Bucket is a bucket of S3 or of a store that speaks its protocol.
type s3Bucket struct {
	client *s3.Client
	name   string
}

// newS3 connects to a bucket. Credentials come from the URI, else, where the node
// may show its own, from where the AWS SDK finds them (environment, shared files,
// the machine's role), else there are none: public buckets ask for none.
func newS3(ctx context.Context, at *Location, client *http.Client, own bool) (b *s3Bucket, anonymous bool, err error) {
	p := at.params
	settings := aws.Config{Credentials: aws.AnonymousCredentials{}}
	switch {
	case p["access-key"] != "":
		settings.Credentials = credentials.NewStaticCredentialsProvider(p["access-key"], p["secret-access-key"], p["session-token"])
	case own:
		if settings, err = ownS3(ctx, p["region"]); err != nil {
			return nil, false, err
		}
	default:
		anonymous = true
	}
	// Ranges have no checksum to compare, and others than AWS often none at all.
	settings.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	settings.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	settings.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = requests, time.Second // somebody waits for the statement
		})
	}
	settings.Logger = logging.Nop{} // what matters is in the errors
	settings.Region = firstOf(p["region"], defaultRegion)
	b, err = connectS3(ctx, at, client, settings)
	return b, anonymous, err
}

// ownS3 is the AWS SDK's settings of this node, with credentials in them. Their
// requests are the operator's, to the machine's own services among others, and go
// over connections of their own.
func ownS3(ctx context.Context, region string) (aws.Config, error) {
	settings, err := config.LoadDefaultConfig(ctx, config.WithRegion(firstOf(region, defaultRegion)), config.WithLogger(logging.Nop{}))
	if err == nil {
		_, err = settings.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return aws.Config{}, &ownError{err}
	}
	return settings, nil
}

// connectS3 finds out where the bucket is.
func connectS3(ctx context.Context, at *Location, client *http.Client, settings aws.Config) (*s3Bucket, error) {
	p := at.params
	settings.HTTPClient = client
	if endpoint := strings.TrimSuffix(p["endpoint"], "/"); endpoint != "" {
		settings.BaseEndpoint = &endpoint
	}
	if role := p["role-arn"]; role != "" {
		assume := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(settings), role, func(o *stscreds.AssumeRoleOptions) {
			if id := p["external-id"]; id != "" {
				o.ExternalID = &id
			}
		})
		settings.Credentials = aws.NewCredentialsCache(assume)
	}
	accelerate := p.flag("use-accelerate-endpoint", false)
	// These providers know buckets as host names only.
	byHost := accelerate || p["provider"] == "alibaba" || p["provider"] == "netease"
	connect := func() *s3Bucket {
		return &s3Bucket{name: at.bucket, client: s3.NewFromConfig(settings, func(o *s3.Options) {
			o.UsePathStyle = p.flag("force-path-style", true) && !byHost
			o.UseAccelerate = accelerate
		})}
	}
	b := connect()
	if at.scheme == onKS3 || p["provider"] != "" && p["provider"] != "aws" {
		return b, nil // others do not say where a bucket is
	}
	real, err := b.region(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed to get region of bucket %s: %w", at.bucket, err)
	case real == "" || real == p["region"]:
	case p["region"] != "":
		return nil, &storeError{kind: errDenied, text: fmt.Sprintf(
			"s3 bucket and region are not matched, bucket=%s, input region=%s, real region=%s", at.bucket, p["region"], real)}
	case real != defaultRegion:
		settings.Region = real
		b = connect()
	}
	return b, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// region is where the bucket is; empty if the store does not say. AWS says it
// in refusals, too.
func (b *s3Bucket) region(ctx context.Context) (string, error) {
	out, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name})
	if err == nil {
		return aws.ToString(out.BucketRegion), nil
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		if region := answer.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
			return region, nil
		}
	}
	return "", s3Error(err)
}

func (b *s3Bucket) list(ctx context.Context, prefix string, found func(File) error) error {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{
		Bucket: &b.name, Prefix: &prefix, Delimiter: aws.String("/"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s3Error(err)
		}
		for _, o := range page.Contents {
			if err := found(File{Path: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Tag: aws.ToString(o.ETag)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *s3Bucket) stat(ctx context.Context, key string) (File, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return File{}, s3Error(err)
	}
	return File{Path: key, Size: aws.ToInt64(out.ContentLength), Tag: aws.ToString(out.ETag)}, nil
}

func (b *s3Bucket) read(ctx context.Context, key, tag string, offset, length int64) (io.ReadCloser, File, error) {
	in := &s3.GetObjectInput{Bucket: &b.name, Key: &key}
	if part := byteRange(offset, length); part != "" {
		in.Range = &part
	}
	if tag != "" {
		in.IfMatch = &tag
	}
	out, err := b.client.GetObject(ctx, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return nil, File{}, s3Error(err)
	}
	f := File{Path: key, Tag: aws.ToString(out.ETag)}
	if f.Size, err = wholeSize(in.Range != nil, aws.ToString(out.ContentRange), offset, aws.ToInt64(out.ContentLength)); err != nil {
		_ = out.Body.Close()
		return nil, File{}, err
	}
	return out.Body, f, nil
}

// s3Error says what an answer means. What is none of S3 stays what it is.
func s3Error(err error) error {
	var api smithy.APIError
	var broken *smithy.DeserializationError
	if !errors.As(err, &api) || errors.As(err, &broken) {
		var request *url.Error
		if errors.As(err, &request) {
			return request // without the client's account of its attempts
		}
		return err
	}
	code := api.ErrorCode()
	e := &storeError{err: err, text: code}
	if message := api.ErrorMessage(); message != "" && message != code {
		e.text += ": " + message
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		e.kind = statusKind(answer.HTTPStatusCode())
	}
	switch code {
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired": // 400
		e.kind = errDenied
	case "InvalidObjectState": // 403, of an archived object
		e.kind = errRefused
	case "RequestTimeout", "SlowDown", "Throttling", "RequestLimitExceeded": // 400 or 503
		e.kind = nil
	}
	return e
}
