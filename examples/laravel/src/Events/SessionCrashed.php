<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The engine ended unasked; it is started again after `delayS` seconds. (`session.crashed`) */
final class SessionCrashed extends OpenWaEvent
{
    public ?int $pid;

    public ?int $exitCode;

    public ?int $signal;

    public ?int $attempt;

    public ?float $delayS;

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
        $this->delayS = $this->real('delay_s');
        $this->reason = $this->text('reason');
        $this->reasonDetail = $this->text('reason_detail');
    }
}
