package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/firnlog/firnlog/objectstore/minio"
)

// servers are the addresses of what is no function.
type servers struct {
	minio, etcd string
	kafka, http []string
}

// storeURL is the bucket as instances and functions name it.
func (s *servers) storeURL() string { return "s3://" + bucket + "/local?endpoint=http://" + s.minio }

func awsEnv() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_REGION=" + region}
}

// find looks for all programs before anything is started.
func (s *Stack) find() error {
	var missing []string
	for _, p := range []*string{&s.MinIO, &s.Etcd, &s.Firnlog} {
		path, err := exec.LookPath(*p)
		if err != nil && !strings.ContainsRune(*p, filepath.Separator) {
			path, err = exec.LookPath(filepath.Join(s.Tools, *p))
		}
		if err != nil {
			missing = append(missing, *p)
			continue
		}
		if *p, err = filepath.Abs(path); err != nil {
			return fmt.Errorf("find %s: %w", path, err)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s: neither in PATH nor in %s. `make tools` builds MinIO and etcd there", ErrMissing, strings.Join(missing, ", "), s.Tools)
	}
	return nil
}

// startServers starts MinIO and etcd, and makes the bucket.
func (s *Stack) startServers(ctx context.Context, p *ports) (*servers, error) {
	out := &servers{}
	console, peer := "", ""
	var err error
	for _, one := range []struct {
		name string
		at   *string
	}{{"minio", &out.minio}, {"etcd", &out.etcd}, {"etcd peer", &peer}, {"minio console", &console}} {
		if *one.at, err = p.address(one.name); err != nil {
			return nil, err
		}
	}
	store, err := s.start("minio", s.MinIO, []string{"MINIO_ROOT_USER=" + accessKey, "MINIO_ROOT_PASSWORD=" + secretKey, "MINIO_UPDATE=off", "MINIO_BROWSER=off"},
		"server", "--address", out.minio, "--console-address", console, filepath.Join(s.Dir, "minio"))
	if err != nil {
		return nil, err
	}
	peer = "http://" + peer
	keys, err := s.start("etcd", s.Etcd, nil, "--name", "one", "--data-dir", filepath.Join(s.Dir, "etcd"), "--log-level", "warn",
		"--listen-client-urls", "http://"+out.etcd, "--advertise-client-urls", "http://"+out.etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer,
		"--auto-compaction-mode", "periodic", "--auto-compaction-retention", "2m",
		"--heartbeat-interval", "10", "--election-timeout", "100") // a lone member waits for nobody
	if err != nil {
		return nil, err
	}
	err = s.step("etcd", func() (string, error) { return out.etcd, keys.await(ctx, answers("http://"+out.etcd+"/health")) })
	if err != nil {
		return nil, err
	}
	// Not health/ready: that is 200 while requests still get 503.
	err = s.step("minio", func() (string, error) {
		return "http://" + out.minio, store.await(ctx, answers("http://"+out.minio+"/minio/health/cluster"))
	})
	if err != nil {
		return nil, err
	}
	err = s.step("bucket", func() (string, error) {
		return bucket, store.await(ctx, func(ctx context.Context) error { return makeBucket(ctx, out.minio) })
	})
	s.keep(ctx, store)
	s.keep(ctx, keys)
	return out, err
}

func makeBucket(ctx context.Context, endpoint string) error {
	store, err := minio.Open(minio.Options{Endpoint: endpoint, Bucket: bucket, Region: region, Credentials: credentials.NewStaticV4(accessKey, secretKey, "")})
	if err != nil {
		return err
	}
	return store.CreateBucket(ctx)
}

// startBrokers starts all brokers, then waits for each.
func (s *Stack) startBrokers(ctx context.Context, p *ports, at *servers) error {
	var brokers []*child
	for i := range s.Brokers {
		number := strconv.Itoa(i + 1)
		kafka, err := p.address("kafka " + number)
		if err != nil {
			return err
		}
		web, err := p.address("http " + number)
		if err != nil {
			return err
		}
		at.kafka, at.http = append(at.kafka, kafka), append(at.http, web)
		b, err := s.start("broker-"+number, s.Firnlog, awsEnv(), "broker", "--store", at.storeURL(), "--etcd", at.etcd, "--kafka", kafka, "--http", web, "--linger", s.Linger.String())
		if err != nil {
			return err
		}
		brokers = append(brokers, b)
	}
	for i, b := range brokers {
		err := s.step(b.name, func() (string, error) {
			return "kafka " + at.kafka[i] + "  http://" + at.http[i], b.await(ctx, answers("http://"+at.http[i]+"/readyz"))
		})
		if err != nil {
			return err
		}
		s.keep(ctx, b)
	}
	return nil
}

// answers asks an address, and wants 200.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // says more, if it can be read
			return fmt.Errorf("%s: %s %s", url, resp.Status, strings.TrimSpace(string(text)))
		}
		return nil
	}
}

// executable says whether a file can be run.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
