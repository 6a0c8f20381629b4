<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

use Illuminate\Broadcasting\PrivateChannel;
use Illuminate\Contracts\Broadcasting\ShouldBroadcastNow;

/**
 * A fresh code for the user's page: `Echo.private('openwa.' + userId).listen('.openwa.qr', e => img.src = 'data:image/png;base64,' + e.qrBase64)`.
 *
 * "Now": without a queue worker. With the broadcaster 'null' or 'log' (no websockets) the page polls GET …/qr instead.
 */
final class OpenWaQrReady implements ShouldBroadcastNow
{
    public function __construct(
        public ?string $userId,
        public string $sessionId,
        public string $qrBase64,
        public string $expiresAt,
    ) {
    }

    public function broadcastOn(): PrivateChannel
    {
        return new PrivateChannel('openwa.'.$this->userId);
    }

    public function broadcastAs(): string
    {
        return 'openwa.qr';
    }
}
