package main

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directconnect"
	"github.com/aws/aws-sdk-go-v2/service/directconnect/types"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"directconnect-operator.dev/benches/peer/api"
)

// Reconciler makes one connection at a time as its resource says.
type Reconciler struct {
	client.Client
	AWS    *directconnect.Client
	Resync time.Duration
}

// SetupWithManager has the manager call it for every change of a spec.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager, workers int) error {
	return ctrl.NewControllerManagedBy(manager).
		For(&api.DirectConnectConnection{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// Reconcile reads the connection, sends what differs, and shows in status what AWS has. It comes again after the resync.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var resource api.DirectConnectConnection
	if err := r.Get(ctx, request.NamespacedName, &resource); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	original := resource.DeepCopy()

	described, err := r.AWS.DescribeConnections(ctx, &directconnect.DescribeConnectionsInput{
		ConnectionId: &resource.Spec.ConnectionID,
	}, inRegion(resource.Spec.Region))
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("describing %s: %w", resource.Spec.ConnectionID, err)
	}
	ready := metav1.Condition{
		Type:               "Ready",
		Status:             metav1.ConditionFalse,
		Reason:             "NotFound",
		Message:            "AWS has no such connection",
		ObservedGeneration: resource.Generation,
	}
	if len(described.Connections) > 0 {
		connection := described.Connections[0]
		if err := r.update(ctx, &resource.Spec, &connection); err != nil {
			return ctrl.Result{}, fmt.Errorf("updating %s: %w", resource.Spec.ConnectionID, err)
		}
		show(&connection, &resource.Status)
		ready.Status, ready.Reason, ready.Message = metav1.ConditionTrue, "InSync", "AWS has what the spec asks for"
		meta.SetStatusCondition(&resource.Status.Conditions, linkUp(&connection, resource.Generation))
		meta.SetStatusCondition(&resource.Status.Conditions, encrypted(&connection, resource.Generation))
	}
	resource.Status.ObservedGeneration = resource.Generation
	meta.SetStatusCondition(&resource.Status.Conditions, ready)

	if !equality.Semantic.DeepEqual(original.Status, resource.Status) {
		if err := r.Status().Patch(ctx, &resource, client.MergeFrom(original)); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	return ctrl.Result{RequeueAfter: r.Resync}, nil
}

// update sends name and mode where they differ, and takes them from the answer.
func (r *Reconciler) update(ctx context.Context, spec *api.DirectConnectConnectionSpec, connection *types.Connection) error {
	input := directconnect.UpdateConnectionInput{ConnectionId: &spec.ConnectionID}
	if spec.ConnectionName != "" && spec.ConnectionName != aws.ToString(connection.ConnectionName) {
		input.ConnectionName = &spec.ConnectionName
	}
	if spec.EncryptionMode != "" && spec.EncryptionMode != aws.ToString(connection.EncryptionMode) {
		input.EncryptionMode = &spec.EncryptionMode
	}
	if input.ConnectionName == nil && input.EncryptionMode == nil {
		return nil
	}
	updated, err := r.AWS.UpdateConnection(ctx, &input, inRegion(spec.Region))
	if err != nil {
		return err
	}
	connection.ConnectionName = updated.ConnectionName
	connection.ConnectionState = updated.ConnectionState
	connection.EncryptionMode = updated.EncryptionMode
	connection.PortEncryptionStatus = updated.PortEncryptionStatus
	return nil
}

func inRegion(region string) func(*directconnect.Options) {
	return func(options *directconnect.Options) {
		if region != "" {
			options.Region = region
		}
	}
}

func linkUp(connection *types.Connection, generation int64) metav1.Condition {
	condition := metav1.Condition{
		Type:               "LinkUp",
		Status:             metav1.ConditionFalse,
		Reason:             "NotAvailable",
		Message:            "connectionState is " + string(connection.ConnectionState),
		ObservedGeneration: generation,
	}
	if connection.ConnectionState == types.ConnectionStateAvailable {
		condition.Status, condition.Reason = metav1.ConditionTrue, "Available"
	}
	return condition
}

func encrypted(connection *types.Connection, generation int64) metav1.Condition {
	condition := metav1.Condition{
		Type:               "Encrypted",
		Status:             metav1.ConditionFalse,
		Reason:             "EncryptionDown",
		Message:            "portEncryptionStatus is " + aws.ToString(connection.PortEncryptionStatus),
		ObservedGeneration: generation,
	}
	switch aws.ToString(connection.PortEncryptionStatus) {
	case "Encryption Up":
		condition.Status, condition.Reason = metav1.ConditionTrue, "EncryptionUp"
	case "":
		condition.Status, condition.Reason = metav1.ConditionUnknown, "NotReported"
		condition.Message = "AWS reports no portEncryptionStatus"
	}
	return condition
}

// show copies what AWS has into status.
func show(connection *types.Connection, status *api.DirectConnectConnectionStatus) {
	status.ConnectionID = aws.ToString(connection.ConnectionId)
	status.ARN = fmt.Sprintf("arn:aws:directconnect:%s:%s:dxcon/%s", aws.ToString(connection.Region),
		aws.ToString(connection.OwnerAccount), aws.ToString(connection.ConnectionId))
	status.ConnectionName = aws.ToString(connection.ConnectionName)
	status.ConnectionState = string(connection.ConnectionState)
	status.EncryptionMode = aws.ToString(connection.EncryptionMode)
	status.PortEncryptionStatus = aws.ToString(connection.PortEncryptionStatus)
	status.MacSecCapable = connection.MacSecCapable
	status.OwnerAccount = aws.ToString(connection.OwnerAccount)
	status.Region = aws.ToString(connection.Region)
	status.Location = aws.ToString(connection.Location)
	status.Bandwidth = aws.ToString(connection.Bandwidth)
	status.Vlan = connection.Vlan
	status.PartnerName = aws.ToString(connection.PartnerName)
	status.ProviderName = aws.ToString(connection.ProviderName)
	status.LagID = aws.ToString(connection.LagId)
	status.AwsDevice = aws.ToString(connection.AwsDevice)
	status.AwsDeviceV2 = aws.ToString(connection.AwsDeviceV2)
	status.AwsLogicalDeviceID = aws.ToString(connection.AwsLogicalDeviceId)
	status.HasLogicalRedundancy = string(connection.HasLogicalRedundancy)
	status.JumboFrameCapable = connection.JumboFrameCapable
	status.PartnerInterconnectSec = connection.PartnerInterconnectMacSecCapable
	status.BillingMode = string(connection.BillingMode)
	status.LoaIssueTime = nil
	if connection.LoaIssueTime != nil {
		status.LoaIssueTime = &metav1.Time{Time: *connection.LoaIssueTime}
	}
	status.MacSecKeys = nil
	for _, key := range connection.MacSecKeys {
		status.MacSecKeys = append(status.MacSecKeys, api.MacSecKey{
			Ckn:       aws.ToString(key.Ckn),
			SecretARN: aws.ToString(key.SecretARN),
			State:     aws.ToString(key.State),
			StartOn:   aws.ToString(key.StartOn),
		})
	}
	sort.Slice(status.MacSecKeys, func(i, j int) bool { return status.MacSecKeys[i].Ckn < status.MacSecKeys[j].Ckn })
	status.Tags = nil
	for _, tag := range connection.Tags {
		status.Tags = append(status.Tags, api.Tag{Key: aws.ToString(tag.Key), Value: aws.ToString(tag.Value)})
	}
	sort.Slice(status.Tags, func(i, j int) bool { return status.Tags[i].Key < status.Tags[j].Key })
}
