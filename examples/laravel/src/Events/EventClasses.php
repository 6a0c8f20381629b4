<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Which class an event becomes. */
final class EventClasses
{
    /** @var array<string, class-string<OpenWaEvent>> */
    public const OF = [
        'session.created' => SessionCreated::class,
        'session.qr' => SessionQr::class,
        'session.status' => SessionStatus::class,
        'session.connected' => SessionConnected::class,
        'session.disconnected' => SessionDisconnected::class,
        'session.banned' => SessionBanned::class,
        'session.logged_out' => SessionLoggedOut::class,
        'session.crashed' => SessionCrashed::class,
        'session.restarted' => SessionRestarted::class,
        'session.failed' => SessionFailed::class,
        'session.stopped' => SessionStopped::class,
        'session.deleted' => SessionDeleted::class,
        'session.restricted' => SessionRestricted::class,
        'session.heartbeat' => SessionHeartbeat::class,
        'batch.progress' => BatchProgress::class,
        'batch.completed' => BatchCompleted::class,
        'contact.opted_out' => ContactOptedOut::class,
        'queue.held' => QueueHeld::class,
        'manager.started' => ManagerStarted::class,
        'manager.stopping' => ManagerStopping::class,
        'manager.recovered' => ManagerRecovered::class,
        'audit.head' => AuditHead::class,
        'delivery.dead_lettered' => DeliveryDeadLettered::class,
        'host.slept' => HostSlept::class,
        'endpoint.test' => EndpointTest::class,
        'message.sent' => MessageSent::class,
        'message.delivered' => MessageDelivered::class,
        'message.read' => MessageRead::class,
        'message.failed' => MessageFailed::class,
        'message.received' => MessageReceived::class,
        'message.revoked' => MessageRevoked::class,
        'message.reaction' => MessageReaction::class,
        'message.edited' => MessageEdited::class,
        'status.received' => StatusReceived::class,
        'presence.update' => PresenceUpdate::class,
        'group.join' => GroupJoin::class,
        'group.leave' => GroupLeave::class,
        'group.update' => GroupUpdate::class,
        'group.join_request' => GroupJoinRequest::class,
        'call.received' => CallReceived::class,
        'call.accepted' => CallAccepted::class,
        'call.rejected' => CallRejected::class,
        'call.missed' => CallMissed::class,
    ];

    /** @param  array<string, mixed>  $payload  an event as it was posted */
    public static function make(array $payload): OpenWaEvent
    {
        $class = self::OF[$payload['type'] ?? ''] ?? UnknownEvent::class;

        return new $class($payload);
    }
}
