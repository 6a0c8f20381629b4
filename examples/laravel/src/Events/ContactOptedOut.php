<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody wrote STOP; the manager writes to him no more. (`contact.opted_out`) */
final class ContactOptedOut extends OpenWaEvent
{
    public ?string $from;

    public ?string $keyword;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->from = $this->text('from');
        $this->keyword = $this->text('keyword');
    }
}
