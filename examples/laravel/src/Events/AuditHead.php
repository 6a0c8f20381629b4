<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The newest hash of the manager's audit, once a day. (`audit.head`) */
final class AuditHead extends OpenWaEvent
{
    public ?string $auditHead;

    public ?int $auditSeq;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->auditHead = $this->text('audit_head');
        $this->auditSeq = $this->number('audit_seq');
    }
}
