<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

use Carbon\CarbonImmutable;

/** A connected session lives; comes once a minute, is never repeated. (`session.heartbeat`) */
final class SessionHeartbeat extends OpenWaEvent
{
    public ?string $status;

    public ?CarbonImmutable $lastSeenAt;

    public ?int $rssBytes;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->status = $this->text('status');
        $this->lastSeenAt = $this->time('last_seen_at');
        $this->rssBytes = $this->number('rss_bytes');
    }
}
