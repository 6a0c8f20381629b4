<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

use Carbon\CarbonImmutable;

/** A fresh code to scan. It is a login: never log it, never store it. (`session.qr`) */
final class SessionQr extends OpenWaEvent
{
    public ?string $qrBase64;

    public ?string $mimetype;

    public ?int $qrSeq;

    public ?int $attempt;

    public ?CarbonImmutable $expiresAt;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->qrBase64 = $this->text('qr_base64');
        $this->mimetype = $this->text('mimetype');
        $this->qrSeq = $this->number('qr_seq');
        $this->attempt = $this->number('attempt');
        $this->expiresAt = $this->time('expires_at');
    }
}
