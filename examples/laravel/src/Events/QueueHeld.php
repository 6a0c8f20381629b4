<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A session's messages wait for a reason that a person should know. (`queue.held`) */
final class QueueHeld extends OpenWaEvent
{
    public ?string $hold;

    public ?int $waiting;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->hold = $this->text('hold');
        $this->waiting = $this->number('waiting');
    }
}
