// Package api has the resource as a controller of its own would declare it: the operator's CRD, as far as the peer uses it.
// +kubebuilder:object:generate=true
// +groupName=directconnect-operator.dev
package api

//go:generate go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.21.0 object paths=.

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/scheme"
)

var (
	groupVersion  = schema.GroupVersion{Group: "directconnect-operator.dev", Version: "v1alpha1"}
	schemeBuilder = (&scheme.Builder{GroupVersion: groupVersion}).
			Register(&DirectConnectConnection{}, &DirectConnectConnectionList{})

	// AddToScheme makes the types known to a client.
	AddToScheme = schemeBuilder.AddToScheme
)

// DirectConnectConnection is a connection and what it is to be.
// +kubebuilder:object:root=true
type DirectConnectConnection struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DirectConnectConnectionSpec   `json:"spec"`
	Status DirectConnectConnectionStatus `json:"status,omitempty"`
}

// DirectConnectConnectionList is a list of them.
// +kubebuilder:object:root=true
type DirectConnectConnectionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DirectConnectConnection `json:"items"`
}

// DirectConnectConnectionSpec is what people want.
type DirectConnectConnectionSpec struct {
	ConnectionID         string `json:"connectionId"`
	Region               string `json:"region,omitempty"`
	ConnectionName       string `json:"connectionName,omitempty"`
	EncryptionMode       string `json:"encryptionMode,omitempty"`
	EncryptionTransition string `json:"encryptionTransition,omitempty"`
	ManagementPolicy     string `json:"managementPolicy,omitempty"`
}

// DirectConnectConnectionStatus is what AWS has.
type DirectConnectConnectionStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`

	ConnectionID           string       `json:"connectionId,omitempty"`
	ARN                    string       `json:"arn,omitempty"`
	ConnectionName         string       `json:"connectionName,omitempty"`
	ConnectionState        string       `json:"connectionState,omitempty"`
	EncryptionMode         string       `json:"encryptionMode,omitempty"`
	PortEncryptionStatus   string       `json:"portEncryptionStatus,omitempty"`
	MacSecCapable          *bool        `json:"macSecCapable,omitempty"`
	MacSecKeys             []MacSecKey  `json:"macSecKeys,omitempty"`
	OwnerAccount           string       `json:"ownerAccount,omitempty"`
	Region                 string       `json:"region,omitempty"`
	Location               string       `json:"location,omitempty"`
	Bandwidth              string       `json:"bandwidth,omitempty"`
	Vlan                   int32        `json:"vlan,omitempty"`
	PartnerName            string       `json:"partnerName,omitempty"`
	ProviderName           string       `json:"providerName,omitempty"`
	LoaIssueTime           *metav1.Time `json:"loaIssueTime,omitempty"`
	LagID                  string       `json:"lagId,omitempty"`
	AwsDevice              string       `json:"awsDevice,omitempty"`
	AwsDeviceV2            string       `json:"awsDeviceV2,omitempty"`
	AwsLogicalDeviceID     string       `json:"awsLogicalDeviceId,omitempty"`
	HasLogicalRedundancy   string       `json:"hasLogicalRedundancy,omitempty"`
	JumboFrameCapable      *bool        `json:"jumboFrameCapable,omitempty"`
	Tags                   []Tag        `json:"tags,omitempty"`
	PartnerInterconnectSec *bool        `json:"partnerInterconnectMacSecCapable,omitempty"`
	BillingMode            string       `json:"billingMode,omitempty"`
}

// MacSecKey is a MACsec key of a connection.
type MacSecKey struct {
	Ckn       string `json:"ckn,omitempty"`
	SecretARN string `json:"secretARN,omitempty"`
	State     string `json:"state,omitempty"`
	StartOn   string `json:"startOn,omitempty"`
}

// Tag is a tag of a connection.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}
