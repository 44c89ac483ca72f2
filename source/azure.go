package source

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// azureContainer is a container of Azure Blob Storage.
type azureContainer struct {
	client *container.Client
	key    *blob.CPKInfo // the customer's key, or nil
}

// newAzure connects to a container. Who we are is said, first hit wins, by the
// URI's shared access signature or account key, or, where the node may show its
// own credentials, by the environment: a service principal (AZURE_TENANT_ID,
// AZURE_CLIENT_ID, AZURE_CLIENT_SECRET) or a key (AZURE_STORAGE_KEY). They are for
// the account of AZURE_STORAGE_ACCOUNT, which a location need not name.
func newAzure(ctx context.Context, at *Location, client *http.Client, own bool) (*azureContainer, error) {
	p := at.params
	env := func(string) string { return "" }
	if home := os.Getenv("AZURE_STORAGE_ACCOUNT"); own && (p["account-name"] == "" || p["account-name"] == home) {
		env = os.Getenv
	}
	account := firstOf(p["account-name"], env("AZURE_STORAGE_ACCOUNT"))
	if account == "" {
		return nil, noAccess("account name cannot be empty to access azure blob storage")
	}
	service := firstOf(p["endpoint"], "https://"+account+".blob.core.windows.net")
	address, query, _ := strings.Cut(service, "?")
	address = strings.TrimSuffix(address, "/") + "/" + at.bucket
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: client,
		Retry:     policy.RetryOptions{MaxRetries: requests - 1, RetryDelay: 4 * firstPause, MaxRetryDelay: 2 * time.Second},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}}
	c := &azureContainer{key: customerKey(firstOf(p["encryption-key"], env("AZURE_ENCRYPTION_KEY")))}
	signature := p["sas-token"]
	if signature == "" && strings.Contains("&"+query, "&sig=") {
		signature = query // of an endpoint that carries it
	}
	var err error
	switch key, login := firstOf(p["account-key"], env("AZURE_STORAGE_KEY")), servicePrincipal(env); {
	case signature != "":
		c.client, err = container.NewClientWithNoCredential(address+"?"+strings.TrimPrefix(signature, "?"), options)
	case login != nil && p["account-key"] == "":
		c.client, err = container.NewClient(address, login, options)
	case key != "":
		var cred *container.SharedKeyCredential
		if cred, err = container.NewSharedKeyCredential(account, key); err != nil {
			return nil, &storeError{kind: errDenied, text: "Failed to get azure sharedKey credential"} // TiDB's words
		}
		c.client, err = container.NewClientWithSharedKeyCredential(address, cred, options)
	default:
		return nil, noAccess("cannot find any credential info to access azure blob storage; " + noCredentials)
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.client.GetProperties(ctx, nil); err != nil {
		// A signature may allow the blobs and not the container: they will show.
		if said := azureError(err); signature == "" || !errors.Is(said, errDenied) {
			return nil, fmt.Errorf("get properties of container %s: %w", at.bucket, said)
		}
	}
	return c, nil
}

// customerKey is the key that a blob was encrypted with, by who stored it. Its
// bytes are those of the text.
func customerKey(text string) *blob.CPKInfo {
	if text == "" {
		return nil
	}
	algorithm := blob.EncryptionAlgorithmTypeAES256
	key := base64.StdEncoding.EncodeToString([]byte(text))
	sum := sha256.Sum256([]byte(text))
	hash := base64.StdEncoding.EncodeToString(sum[:])
	return &blob.CPKInfo{EncryptionAlgorithm: &algorithm, EncryptionKey: &key, EncryptionKeySHA256: &hash}
}

// principal logs in as an application of Microsoft Entra ID.
type principal struct{ config clientcredentials.Config }

// servicePrincipal is the application that the environment names, or nil.
func servicePrincipal(env func(string) string) azcore.TokenCredential {
	tenant, id, secret := env("AZURE_TENANT_ID"), env("AZURE_CLIENT_ID"), env("AZURE_CLIENT_SECRET")
	if tenant == "" || id == "" || secret == "" {
		return nil
	}
	authority := strings.TrimSuffix(firstOf(env("AZURE_AUTHORITY_HOST"), "https://login.microsoftonline.com"), "/")
	return &principal{config: clientcredentials.Config{
		ClientID: id, ClientSecret: secret, TokenURL: authority + "/" + tenant + "/oauth2/v2.0/token",
		AuthStyle: oauth2.AuthStyleInParams,
	}}
}

// GetToken is called by the client whenever the last token is about to end.
func (p *principal) GetToken(ctx context.Context, ask policy.TokenRequestOptions) (azcore.AccessToken, error) {
	login := p.config
	login.Scopes = ask.Scopes
	token, err := login.Token(context.WithValue(ctx, oauth2.HTTPClient, ownClient))
	if err != nil {
		return azcore.AccessToken{}, gcsTokenError(err)
	}
	return azcore.AccessToken{Token: token.AccessToken, ExpiresOn: token.Expiry}, nil
}

func (c *azureContainer) list(ctx context.Context, prefix string, found func(File) error) error {
	most := int32(1000) // as the others have it; see mostTags
	pages := c.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &prefix, MaxResults: &most})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return azureError(err)
		}
		for _, item := range page.Segment.BlobItems {
			f := File{Path: value(item.Name)}
			if item.Properties != nil {
				f.Size = value(item.Properties.ContentLength)
				f.Tag = quoted(value(item.Properties.ETag))
			}
			if err := found(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *azureContainer) stat(ctx context.Context, key string) (File, error) {
	out, err := c.client.NewBlobClient(key).GetProperties(ctx, &blob.GetPropertiesOptions{CPKInfo: c.key})
	if err != nil {
		return File{}, azureError(err)
	}
	return File{Path: key, Size: value(out.ContentLength), Tag: quoted(value(out.ETag))}, nil
}

func (c *azureContainer) read(ctx context.Context, key, tag string, offset, length int64) (io.ReadCloser, File, error) {
	options := &blob.DownloadStreamOptions{CPKInfo: c.key, Range: blob.HTTPRange{Offset: offset, Count: max(length, 0)}}
	if tag != "" {
		match := azcore.ETag(tag)
		options.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &match}}
	}
	out, err := c.client.NewBlobClient(key).DownloadStream(policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1}), options)
	if err != nil {
		return nil, File{}, azureError(err)
	}
	f := File{Path: key, Tag: quoted(value(out.ETag))}
	if f.Size, err = wholeSize(offset > 0 || length > 0, value(out.ContentRange), offset, value(out.ContentLength)); err != nil {
		_ = out.Body.Close()
		return nil, File{}, err
	}
	return out.Body, f, nil
}

// quoted is a tag as headers have it: lists leave the quotes out.
func quoted(tag azcore.ETag) string {
	if tag == "" || strings.HasSuffix(string(tag), `"`) {
		return string(tag)
	}
	return `"` + string(tag) + `"`
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// azureError says what an answer means.
func azureError(err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return err
	}
	return &storeError{
		err: err, kind: statusKind(answer.StatusCode),
		text: fmt.Sprintf("%s (HTTP status %d)", firstOf(answer.ErrorCode, "refused"), answer.StatusCode),
	}
}
