<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The engine was started again after a crash. (`session.restarted`) */
final class SessionRestarted extends OpenWaEvent
{
    public ?int $pid;

    public ?int $attempt;

    public ?string $reason;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->pid = $this->number('pid');
        $this->attempt = $this->number('attempt');
        $this->reason = $this->text('reason');
    }
}
