// Stands in for where releases are published: a registry, and the files of releases, at their public addresses. It is a proxy
// (HTTPS_PROXY) that answers for those two hosts itself, so that whatever people type can be run as it stands, and passes
// everything else on. What it holds in its registry is gone with it.
//
//	registry REGISTRY-HOST FILES-HOST FOLDER CERTIFICATE
//
// FOLDER has the files, by the path of their address. CERTIFICATE is written: what to trust (SSL_CERT_FILE). It prints one line
// once it serves, its own address, and ends when its standard input does.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: registry REGISTRY-HOST FILES-HOST FOLDER CERTIFICATE")
	}
	registryHost, filesHost, folder, file := os.Args[1], os.Args[2], os.Args[3], os.Args[4]

	certificate, err := selfSigned(registryHost, filesHost)
	if err != nil {
		log.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(file, block, 0o644); err != nil {
		log.Fatal(err)
	}

	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	public := map[string]http.Handler{
		registryHost: handlers.NewApp(context.Background(), config),
		filesHost:    http.FileServer(http.Dir(folder)),
	}
	accepted := make(connections)
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler, known := public[r.Host]
			if !known {
				http.Error(w, "neither the registry nor the files: "+r.Host, http.StatusMisdirectedRequest)
				return
			}
			handler.ServeHTTP(w, r)
		}),
	}
	go func() { log.Fatal(server.ServeTLS(accepted, "", "")) }()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(listener, proxy{public, accepted})) }()
	fmt.Printf("http://%s\n", listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// What is trusted is the certificate itself.
func selfSigned(hosts ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "stands in for where releases are published"},
		DNSNames:              hosts,
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}, err
}

// Hands what a client sends to the server here, if it is for a host that this program stands in for, and to that host if not.
type proxy struct {
	public   map[string]http.Handler
	accepted connections
}

func (p proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only HTTPS is passed on", http.StatusMethodNotAllowed)
		return
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var other net.Conn
	_, ours := p.public[host]
	if !ours {
		log.Print("passed on: ", r.Host)
		if other, err = net.Dial("tcp", r.Host); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		log.Print(err)
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	if ours {
		p.accepted <- client
		return
	}
	go func() {
		_, _ = io.Copy(other, client)
		_ = other.Close()
	}()
	_, _ = io.Copy(client, other)
	_ = client.Close()
}

// Connections as a listener.
type connections chan net.Conn

func (c connections) Accept() (net.Conn, error) { return <-c, nil }
func (c connections) Close() error              { return nil }
func (c connections) Addr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
