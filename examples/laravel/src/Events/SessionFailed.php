<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The manager tries more rarely now, or not at all: a person should look. (`session.failed`) */
final class SessionFailed extends OpenWaEvent
{
    public ?int $pid;

    public ?int $exitCode;

    public ?int $signal;

    public ?int $attempt;

    public ?string $reason;

    public ?string $reasonDetail;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->pid = $this->number('pid');
        $this->exitCode = $this->number('exit_code');
        $this->signal = $this->number('signal');
        $this->attempt = $this->number('attempt');
        $this->reason = $this->text('reason');
        $this->reasonDetail = $this->text('reason_detail');
    }
}
