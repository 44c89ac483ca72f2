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

// newS3 connects to a bucket. Credentials come from the URI, else from where
// the AWS SDK finds them (environment, shared files, the machine's role).
func newS3(ctx context.Context, at *Location, client *http.Client) (*s3Bucket, error) {
	p := at.params
	region := p["region"]
	load := []func(*config.LoadOptions) error{
		config.WithRegion(firstOf(region, defaultRegion)),
		// Ranges have no checksum to compare, and others than AWS often none at all.
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = requests, time.Second // somebody waits for the statement
			})
		}),
		config.WithLogger(logging.Nop{}), // what matters is in the errors
	}
	if p["access-key"] != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(p["access-key"], p["secret-access-key"], p["session-token"])))
	}
	settings, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
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
	case real == "" || real == region:
	case region != "":
		return nil, &storeError{kind: errDenied, text: fmt.Sprintf(
			"s3 bucket and region are not matched, bucket=%s, input region=%s, real region=%s", at.bucket, region, real)}
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

func (b *s3Bucket) list(ctx context.Context, prefix string, found func(File)) error {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{
		Bucket: &b.name, Prefix: &prefix, Delimiter: aws.String("/"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s3Error(err)
		}
		for _, o := range page.Contents {
			found(File{Path: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Tag: aws.ToString(o.ETag)})
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

// s3Error says what an answer means.
func s3Error(err error) error {
	e := &storeError{err: err, text: err.Error()}
	code := ""
	var request *url.Error
	if errors.As(err, &request) {
		e.text = requestText(request) // without the client's account of its attempts
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
		e.text = code
		if message := api.ErrorMessage(); message != "" && message != code {
			e.text += ": " + message
		}
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
