<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A session was made; its engine may not run yet. (`session.created`) */
final class SessionCreated extends OpenWaEvent
{
    public ?int $pid;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->pid = $this->number('pid');
    }
}
