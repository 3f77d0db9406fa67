package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/ioutil"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const (
	leafLife  = 365 * 24 * time.Hour
	renewLeft = 120 * 24 * time.Hour
	caLife    = 10 * leafLife
)

// authority is a cluster CA: the file given before the first start, or one made here.
type authority struct {
	chain []*x509.Certificate
	pem   []byte // the file, byte for byte: the token's hash is over it
	key   crypto.Signer
}

// openAuthority takes dir/name.crt and .key as they are, or makes them when both are missing.
func openAuthority(dir, name string) (*authority, error) {
	crt, key := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	_, noCrt := os.Stat(crt)
	_, noKey := os.Stat(key)
	if os.IsNotExist(noCrt) && os.IsNotExist(noKey) {
		if err := makeAuthority(crt, key, name); err != nil {
			return nil, err
		}
	}
	bytes, err := ioutil.ReadFile(crt)
	if err != nil {
		return nil, err
	}
	chain, err := cert.ParseCertsPEM(bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", crt, err)
	}
	signer, err := readKey(key)
	if err != nil {
		return nil, err
	}
	if now := time.Now(); now.Before(chain[0].NotBefore) {
		return nil, fmt.Errorf("clock %s is before the NotBefore %s of %s: set the clock first", stamp(now), stamp(chain[0].NotBefore), crt)
	}
	return &authority{chain, bytes, signer}, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func readKey(path string) (crypto.Signer, error) {
	key, err := keyutil.PrivateKeyFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: no private key that can sign", path)
	}
	return signer, nil
}

// ensureKey gives back the key in a file, made there if there is none.
func ensureKey(path string) (crypto.Signer, error) {
	if _, _, err := keyutil.LoadOrGenerateKeyFile(path); err != nil {
		return nil, err
	}
	return readKey(path)
}

func makeAuthority(crt, key, name string) error {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: fmt.Sprintf("k3s-%s@%d", name, now.Unix())},
		NotBefore: now, NotAfter: now.Add(caLife), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return err
	}
	encoded, err := keyutil.MarshalPrivateKeyToPEM(signer)
	if err != nil {
		return err
	}
	if err := writeFile(key, encoded, 0600); err != nil {
		return err
	}
	return writeFile(crt, encodeCert(der), 0644)
}

// leaf is what a certificate is for.
type leaf struct {
	name, organization string
	sans               []string
	usage              []x509.ExtKeyUsage
}

var (
	forClient = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	forServer = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	forPeer   = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// sign issues a certificate, followed by the CA's chain. It is as old as its CA, so that slow clocks accept it.
func (a *authority) sign(want leaf, public crypto.PublicKey) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: want.name},
		NotBefore: a.chain[0].NotBefore, NotAfter: time.Now().Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: want.usage,
	}
	if want.organization != "" {
		template.Subject.Organization = []string{want.organization}
	}
	for _, san := range want.sans {
		if ip := net.ParseIP(san); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, san)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.chain[0], public, a.key)
	if err != nil {
		return nil, err
	}
	return append(encodeCert(der), a.pem...), nil
}

// ensure keeps path.crt while it still says what is wanted, and issues it anew otherwise.
func (a *authority) ensure(path string, want leaf) error {
	key, err := ensureKey(path + ".key")
	if err != nil {
		return err
	}
	if old, err := cert.CertsFromFile(path + ".crt"); err == nil && a.stillGood(old[0], want, key) {
		return nil
	}
	bytes, err := a.sign(want, key.Public())
	if err != nil {
		return fmt.Errorf("%s: %v", path, err)
	}
	return writeFile(path+".crt", bytes, 0644)
}

func (a *authority) stillGood(old *x509.Certificate, want leaf, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(old.PublicKey) || old.CheckSignatureFrom(a.chain[0]) != nil || time.Until(old.NotAfter) < renewLeft {
		return false
	}
	for _, san := range want.sans {
		if old.VerifyHostname(san) != nil {
			return false
		}
	}
	return len(want.sans) == len(old.DNSNames)+len(old.IPAddresses) && old.Subject.CommonName == want.name
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // no randomness: nothing here may go on
	}
	return n.Add(n, big.NewInt(1))
}

func publicPEM(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// writeFile replaces a file as a whole, never half of it.
func writeFile(path string, bytes []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0755); err != nil {
		return err
	}
	temporary, err := ioutil.TempFile(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(bytes)
	if err == nil {
		err = temporary.Chmod(mode)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("%s: %v", path, err)
	}
	return os.Rename(temporary.Name(), path)
}
